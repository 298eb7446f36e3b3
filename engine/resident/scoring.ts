/** A model that stays loaded and scores answers, whatever waits in one graph run. */
import type { LoadedModel } from '../checkpoint/model-directory.js';
import { scoredTokens } from '../data/preference-data.js';
import { TrainingRuntime } from '../model/runtime.js';
import { planMicroBatches, tokenBatch, trainingSessions } from '../trainer/batches.js';
import type { ResidentQuestion } from './protocol.js';

/** `promptTokens` of `tokens` are the conversation's. */
export type EncodedAnswer = ResidentQuestion & { tokens: number[]; promptTokens: number };

/** Tokens of prompt and answer, or why the answer cannot be scored. */
export function encodeAnswer(
  question: ResidentQuestion,
  { tokenizer, layout }: LoadedModel,
): EncodedAnswer | string {
  const { prompt, answer } = question;
  const { maxLength, scalarHead } = layout.config;
  if (answer === undefined) return 'a reward model scores an answer, and none was given';
  const tokens = [...scoredTokens(tokenizer, prompt, answer)];
  if (tokens.length > maxLength)
    return `prompt and answer have ${tokens.length} tokens, more than the model's ${maxLength}`;
  const promptTokens = tokenizer.encode(prompt).length;
  // The first token of all is predicted by nothing.
  if (promptTokens === 0 && !scalarHead) return 'the prompt is empty';
  return { ...question, tokens, promptTokens };
}

/** Scores of answers; they do not depend on what else is scored. */
export class Scorer {
  private constructor(
    private readonly runtime: TrainingRuntime,
    private readonly model: LoadedModel,
  ) {}

  /** A scorer over a loaded model; its graphs are built when they are needed. @param threads of the math library */
  static async create(model: LoadedModel, threads: number): Promise<Scorer> {
    const { layout, parameters } = model;
    const maxSessions = trainingSessions({ config: layout.config });
    return new Scorer(await TrainingRuntime.create(layout, parameters, { threads, maxSessions }), model);
  }

  /**
   * One score for each answer, in their order: of a reward model what its head says at the last token, of a language
   * model the mean log-probability of the answer's tokens, end-of-text included.
   */
  async scores(answers: readonly Pick<EncodedAnswer, 'tokens' | 'promptTokens'>[]): Promise<Float32Array> {
    const { layout, tokenizer } = this.model;
    const scores = new Float32Array(answers.length);
    const ids = answers.map(({ tokens }) => Int32Array.from(tokens));
    // One place more than tokens: graphs do not read a row's last one.
    const sizes = ids.map(({ length }) => length + 1);
    for (const rows of planMicroBatches(sizes, { config: layout.config })) {
      const batch = tokenBatch(rows, ids, tokenizer.padding);
      const starts = rows.placements.map(({ row, offset }) => row * rows.length + offset);
      const ends = rows.placements.map(({ sequence }, i) => starts[i]! + ids[sequence]!.length - 1);
      const part = layout.config.scalarHead
        ? await this.runtime.scores({ ...batch, at: Int32Array.from(ends) })
        : meansOf(
            await this.runtime.logprobs(batch),
            rows.placements.map(({ sequence }, i) => starts[i]! + answers[sequence]!.promptTokens),
            ends,
          );
      rows.placements.forEach(({ sequence }, index) => (scores[sequence] = part[index]!));
    }
    return scores;
  }

  /** Frees the native memory; the scorer is not usable afterwards. */
  async release(): Promise<void> {
    await this.runtime.release();
  }
}

/** Means of the values from each of `first` to each of `last`, both included. */
function meansOf(values: Float32Array, first: readonly number[], last: readonly number[]): number[] {
  return first.map((from, i) => {
    let sum = 0;
    for (let at = from; at <= last[i]!; at += 1) sum += values[at]!;
    return sum / (last[i]! - from + 1);
  });
}
