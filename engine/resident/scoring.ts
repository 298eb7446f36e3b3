/** A reward model that stays loaded: scores of answers, whatever waits in one graph run. */
import type { LoadedModel } from '../checkpoint/model-directory.js';
import { scoredTokens } from '../data/preference-data.js';
import { TrainingRuntime } from '../model/runtime.js';
import { planMicroBatches, tokenBatch, trainingSessions } from '../trainer/batches.js';
import type { ResidentQuestion } from './protocol.js';

export type EncodedAnswer = ResidentQuestion & { tokens: number[] };

/** Tokens of prompt and answer, or why the answer cannot be scored. */
export function encodeAnswer(
  question: ResidentQuestion,
  { tokenizer, layout }: LoadedModel,
): EncodedAnswer | string {
  const { prompt, answer } = question;
  const { maxLength } = layout.config;
  if (answer === undefined) return 'a reward model scores an answer, and none was given';
  const tokens = [...scoredTokens(tokenizer, prompt, answer)];
  if (tokens.length > maxLength)
    return `prompt and answer have ${tokens.length} tokens, more than the model's ${maxLength}`;
  return { ...question, tokens };
}

export class Scorer {
  private constructor(
    private readonly runtime: TrainingRuntime,
    private readonly model: LoadedModel,
  ) {}

  static async create(model: LoadedModel, threads: number): Promise<Scorer> {
    const { layout, parameters } = model;
    const maxSessions = trainingSessions({ config: layout.config });
    return new Scorer(await TrainingRuntime.create(layout, parameters, { threads, maxSessions }), model);
  }

  /** One score for each sequence, in their order; they do not depend on what else is scored. */
  async scores(sequences: readonly (readonly number[])[]): Promise<Float32Array> {
    const { layout, tokenizer } = this.model;
    const scores = new Float32Array(sequences.length);
    const ids = sequences.map((tokens) => Int32Array.from(tokens));
    // One place more than tokens: graphs do not read a row's last one.
    const sizes = ids.map(({ length }) => length + 1);
    for (const rows of planMicroBatches(sizes, { config: layout.config })) {
      const at = rows.placements.map(
        ({ sequence, row, offset }) => row * rows.length + offset + ids[sequence]!.length - 1,
      );
      const batch = { ...tokenBatch(rows, ids, tokenizer.padding), at: Int32Array.from(at) };
      const part = await this.runtime.scores(batch);
      rows.placements.forEach(({ sequence }, index) => (scores[sequence] = part[index]!));
    }
    return scores;
  }

  /** Frees the native memory; the scorer is not usable afterwards. */
  async release(): Promise<void> {
    await this.runtime.release();
  }
}
