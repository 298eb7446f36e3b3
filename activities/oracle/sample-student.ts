/** Student first: what the model under training can judge itself is not asked of an oracle. */
import type { Client } from '@temporalio/client';
import type { GenerationOutput } from '../../engine/job.js';
import { studentSamples } from '../../recipes/self-taught.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { readPairLines } from '../dataset/pair-lines.js';
import type { StudentShardInput, StudentShardResult } from '../interface.js';
import { FiguresReporter } from '../training/figures.js';
import { askServed, wishOf } from '../evaluation/ask-served.js';
import { generate, type Generated, type GenerationRequest } from '../training/generate.js';
import { isCorrectable, judgementOf, type OracleJudgement } from './judgement.js';

/** Stands where oracles have the name of their model. */
const STUDENT = 'student';

/**
 * Draw `distill.studentSamples` judgements of each pair. One line a pair: the first that ends in the gold verdict, marked
 * as mastered where all of them do; where none does, the first of them, and the pair goes to the oracle.
 * @throws UserError `TrainerLost` (retried from the start of the shard), `TrainerRefused`; StoreError.
 */
export async function sampleStudent(
  store: ArtifactStore,
  client: Client,
  { context, recipe, seed, model, pairs, served }: StudentShardInput,
): Promise<StudentShardResult> {
  const reporter = new FiguresReporter('distill', client, context.notify);
  try {
    const shown = await readPairLines(store, pairs);
    const samples = studentSamples(recipe) ?? 1;
    const asked = { model, recipe, shown, temperature: 1, samples, seed };
    const generated = served
      ? await sampleServed(store, { ...asked, context }, reporter)
      : await generate(store, { purpose: 'student', skipLong: true, ...asked }, reporter);
    if (!generated) return { status: 'preempted', step: reporter.step };
    const judgements = generated.map(chosen);
    const agreed = judgements.filter((judgement) => judgement.agreed).length;
    return {
      status: 'done',
      answers: await store.putLines('outputs', judgements),
      judged: judgements.length,
      agreed,
      wrong: judgements.length - agreed,
      correctable: judgements.filter(isCorrectable).length,
    };
  } finally {
    reporter.stop();
  }
}

type Sampled = Pick<Generated, 'item' | 'outputs'>;

/** As the engine gives them: a pair that the server refuses to read, being too long, has no outputs. */
async function sampleServed(
  store: ArtifactStore,
  asked: Omit<GenerationRequest, 'purpose'> & Pick<StudentShardInput, 'context'>,
  reporter: FiguresReporter,
): Promise<Sampled[] | undefined> {
  const { recipe, shown, samples, temperature, seed } = asked;
  const sampling = { temperature, maxTokens: recipe.evaluate.maxNewTokens, seed };
  const opinions = await askServed(
    store,
    {
      ...wishOf({ ...asked, stage: 'distill' }),
      promptVersion: recipe.promptVersion,
      shown,
      samples,
      sampling,
    },
    reporter,
  );
  return opinions?.map((drawn, index) => ({
    item: shown[index]!,
    outputs: drawn.some(({ refused }) => refused)
      ? []
      : drawn.map(({ text, inputTokens: promptTokens, outputTokens: tokens, finished }, sample) => ({
          ...{ id: shown[index]!.pair.id, sample, text, promptTokens, tokens, finished },
        })),
  }));
}

/** The pair does not fit the student's context; it may fit the oracle's. */
const TOO_LONG = { text: '', finishReason: 'context_length', inputTokens: 0, outputTokens: 0, usd: 0 };

/** What is kept of the samples of one pair. */
export function chosen({ item, outputs }: Sampled): OracleJudgement {
  const asked = { pass: 1, model: STUDENT, cached: false } as const;
  if (outputs.length === 0) return judgementOf(item, asked, TOO_LONG);
  const judged = outputs.map((output) => judgementOf(item, asked, said(output)));
  const right = judged.filter(({ agreed }) => agreed);
  const judgement = right[0] ?? judged[0]!;
  return right.length === outputs.length ? { ...judgement, mastered: true } : judgement;
}

function said({ text, promptTokens, tokens, finished }: GenerationOutput) {
  const finishReason = finished ? 'stop' : 'length';
  return { text, finishReason, inputTokens: promptTokens, outputTokens: tokens, usd: 0 };
}
