/** The job `reward`: a scalar head, and the model below it, learn which of two answers is preferred (Bradley–Terry). */
import { EpochOrder, supervisedStep, supervisedSteps } from '../data/epochs.js';
import type { MicroBatch } from '../data/packing.js';
import { readPreferenceData, type EncodedPreference } from '../data/preference-data.js';
import { badJob } from '../errors.js';
import type { RewardJob } from '../job.js';
import type { PreferenceBatch } from '../model/batch.js';
import { withScalarHead } from '../model/scalar-head.js';
import { rewardObjective } from '../model/update-objectives.js';
import { learningRate } from '../optimizer/schedule.js';
import { planMicroBatches } from './batches.js';
import { namesOf, requireFiniteLoss } from './divergence.js';
import type { EngineIo, JobEnd } from './io.js';
import { LoopedUpdates, runLooped, updatesPerRun } from './looped-updates.js';
import { loadSourceModel } from './source-model.js';
import { createRuntime, planTraining } from './training-plan.js';
import { TrainingSession, type Step } from './training-session.js';

/** Train until the job's last step or a stop; see `TrainingSession` for what is written. */
export async function runReward(job: RewardJob, io: EngineIo): Promise<JobEnd> {
  const model = withScalarHead(loadSourceModel(job), job.seed);
  const { tokenizer } = model;
  const { config } = model.layout;
  if (job.maxLength > config.maxLength)
    throw badJob(
      `maxLength ${job.maxLength} is more than the ${config.maxLength} tokens the model was made for`,
    );
  const plan = planTraining(job, model);
  const pairs = readPreferenceData(job.data, tokenizer, job.maxLength);
  const order = new EpochOrder(pairs.length, job.seed);
  const totalSteps = supervisedSteps(pairs.length, job.batchSize, job.epochs);
  const session = new TrainingSession(job, plan, io);
  const batchOf = (number: number): EncodedPreference[] =>
    supervisedStep(order, pairs.length, job.batchSize, number - 1).map(({ item }) => pairs[item]!);
  const together = await updatesPerRun(job);
  if (together !== undefined) {
    const looped = await LoopedUpdates.create(plan, job, {
      objective: rewardObjective(job.batchSize),
      longest: Math.max(...pairs.map(placesOf)),
      nameOf: ({ id }: EncodedPreference) => id,
      layOut: (batch: readonly EncodedPreference[], rowTokens) => ({
        batches: planMicroBatches(batch.map(placesOf), plan.batches, rowTokens).map((rows) =>
          preferenceBatch(rows, batch, tokenizer.padding),
        ),
        total: batch.length,
      }),
    });
    return runLooped(session, job, looped, { batchOf, tokensOf, totalSteps, together });
  }
  const { parameters, m, v, updates } = session.state;
  const runtime = await createRuntime(plan, { params: parameters, m, v, step: updates }, job);

  const step: Step = async (number, state) => {
    const batch = batchOf(number);
    let loss = 0;
    let margin = 0;
    let right = 0;
    for (const rows of planMicroBatches(batch.map(placesOf), plan.batches)) {
      const part = await runtime.gradReward(preferenceBatch(rows, batch, tokenizer.padding), batch.length);
      requireFiniteLoss(part.loss, () => namesOf(rows, (index) => batch[index]!.id));
      loss += part.loss;
      for (const difference of part.margins) {
        margin += difference / batch.length;
        if (difference > 0) right += 1;
      }
      await io.breathe();
    }
    const rate = learningRate(job.optimizer, number - 1, totalSteps);
    const { gradNorm } = await runtime.applyAdamW(rate);
    state.updates = runtime.state.step;
    const tokens = batch.reduce((sum, pair) => sum + tokensOf(pair), 0);
    return { tokens, learningRate: rate, gradNorm, loss, accuracy: right / batch.length, margin };
  };

  try {
    return await session.run(totalSteps, step);
  } finally {
    await runtime.release();
  }
}

const tokensOf = ({ chosen, rejected }: EncodedPreference): number => chosen.length + rejected.length;

/** Places of a pair in a packed row: both answers, and one more, for graphs do not read a row's last token. */
const placesOf = (pair: EncodedPreference): number => tokensOf(pair) + 1;

/** Both answers of a pair side by side in one row, neither of them seeing the other. */
export function preferenceBatch(
  { rows, length, placements }: MicroBatch,
  pairs: readonly EncodedPreference[],
  padding: number,
): PreferenceBatch {
  const tokens = new Int32Array(rows * length).fill(padding);
  const segments = new Int32Array(rows * length).fill(-1);
  const at = new Int32Array(placements.length);
  const rejectedAt = new Int32Array(placements.length);
  placements.forEach(({ sequence, row, offset }, index) => {
    const { chosen, rejected } = pairs[sequence]!;
    const start = row * length + offset;
    const middle = start + chosen.length;
    const end = middle + rejected.length;
    tokens.set(chosen, start);
    tokens.set(rejected, middle);
    segments.fill(2 * sequence, start, middle);
    segments.fill(2 * sequence + 1, middle, end);
    at[index] = middle - 1;
    rejectedAt[index] = end - 1;
  });
  return { rows, length, tokens, segments, at, rejectedAt };
}
