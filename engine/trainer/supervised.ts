/** The job `supervised`: negative log-likelihood on the tokens that carry weight (RM-R1, section 3: distillation). */
import { EpochOrder, supervisedStep, supervisedSteps } from '../data/epochs.js';
import { readSupervisedData, type EncodedSample } from '../data/supervised-data.js';
import { badJob } from '../errors.js';
import type { SupervisedJob } from '../job.js';
import type { MicroBatch } from '../data/packing.js';
import type { SupervisedBatch } from '../model/batch.js';
import { supervisedObjective } from '../model/update-objectives.js';
import type { TrainingRuntime } from '../model/runtime.js';
import { learningRate } from '../optimizer/schedule.js';
import { perToken, planMicroBatches, tokenBatch } from './batches.js';
import type { EngineIo, JobEnd } from './io.js';
import { LoopedUpdates, runLooped, updatesPerRun } from './looped-updates.js';
import { loadSourceModel } from './source-model.js';
import { namesOf, requireFiniteLoss } from './divergence.js';
import { createRuntime, planTraining, type TrainingPlan } from './training-plan.js';
import { TrainingSession, type Step } from './training-session.js';

/** Train until the job's last step or a stop; see `TrainingSession` for what is written. */
export async function runSupervised(job: SupervisedJob, io: EngineIo): Promise<JobEnd> {
  const model = loadSourceModel(job);
  const { tokenizer } = model;
  const { config } = model.layout;
  const plan = planTraining(job, model);
  if (job.maxLength > config.maxLength)
    throw badJob(
      `maxLength ${job.maxLength} is more than the ${config.maxLength} tokens the model was made for`,
    );
  const samples = readSupervisedData(job.data, tokenizer, job);
  const order = new EpochOrder(samples.length, job.seed);
  const totalSteps = supervisedSteps(samples.length, job.batchSize, job.epochs);
  const session = new TrainingSession(job, plan, io);
  const batchOf = (number: number): EncodedSample[] =>
    supervisedStep(order, samples.length, job.batchSize, number - 1).map(({ item }) => samples[item]!);
  const together = await updatesPerRun(job);
  if (together !== undefined) {
    const longest = Math.max(...samples.map(({ tokens }) => tokens.length));
    const looped = await LoopedUpdates.create(plan, job, {
      objective: supervisedObjective,
      longest,
      nameOf: ({ id }: EncodedSample) => id,
      layOut: (batch: readonly EncodedSample[], rowTokens) => {
        const { micros, totalWeight } = supervisedBatches(plan, batch, rowTokens);
        return { batches: micros.map((each) => each.batch), total: totalWeight };
      },
    });
    const tokensOf = ({ tokens }: EncodedSample): number => tokens.length;
    return runLooped(session, job, looped, { batchOf, tokensOf, totalSteps, together });
  }
  const { parameters, m, v, updates } = session.state;
  const runtime = await createRuntime(plan, { params: parameters, m, v, step: updates }, job);

  const step: Step = async (number, state) => {
    const { loss, tokens } = await accumulateSupervised(runtime, plan, batchOf(number), () => io.breathe());
    const rate = learningRate(job.optimizer, number - 1, totalSteps);
    const { gradNorm } = await runtime.applyAdamW(rate);
    state.updates = runtime.state.step;
    return { tokens, learningRate: rate, gradNorm, loss };
  };

  try {
    return await session.run(totalSteps, step);
  } finally {
    await runtime.release();
  }
}

/**
 * Add the gradient of one optimiser update to `runtime`: the mean negative log-likelihood of the batch's weighted tokens.
 * @param breathe called between runs of the graph
 * @returns the loss, and the tokens that went through the graph
 */
export async function accumulateSupervised(
  runtime: TrainingRuntime,
  plan: TrainingPlan,
  batch: readonly EncodedSample[],
  breathe: () => Promise<void>,
): Promise<{ loss: number; tokens: number }> {
  const { micros, totalWeight } = supervisedBatches(plan, batch);
  let loss = 0;
  for (const { rows, batch: micro } of micros) {
    const part = await runtime.gradSupervised(micro, totalWeight);
    requireFiniteLoss(part.loss, () => namesOf(rows, (index) => batch[index]!.id));
    loss += part.loss;
    await breathe();
  }
  return { loss, tokens: batch.reduce((sum, { tokens }) => sum + tokens.length, 0) };
}

/** An optimiser batch in micro-batches. @param rowTokens of every row; default: by the samples in it */
function supervisedBatches(
  { model, batches }: TrainingPlan,
  batch: readonly EncodedSample[],
  rowTokens?: number,
): { micros: { rows: MicroBatch; batch: SupervisedBatch }[]; totalWeight: number } {
  const sequences = batch.map(({ tokens }) => tokens);
  const weights = batch.map((sample) => sample.weights);
  const sizes = sequences.map(({ length }) => length);
  return {
    micros: planMicroBatches(sizes, batches, rowTokens).map((rows) => ({
      rows,
      batch: {
        ...tokenBatch(rows, sequences, model.tokenizer.padding),
        weights: perToken(rows, weights),
      },
    })),
    totalWeight: weights.reduce((sum, row) => row.reduce((part, weight) => part + weight, sum), 0),
  };
}
