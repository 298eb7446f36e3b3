/** Several updates of a supervised job in one run of a graph: what pays on a device with memory of its own. */
import type { EncodedSample } from '../data/supervised-data.js';
import type { SupervisedJob } from '../job.js';
import type { SupervisedBatch } from '../model/batch.js';
import { UpdateLoop, type SupervisedUpdate } from '../model/update-loop.js';
import { providerOf } from '../onnx/device.js';
import { learningRate } from '../optimizer/schedule.js';
import { commonRows, perToken, planMicroBatches, tokenBatch } from './batches.js';
import type { TrainingPlan } from './training-plan.js';
import type { Step } from './training-session.js';

const UPDATES_PER_RUN_ON_CUDA = 8;

/** How many updates go into a run; undefined: each on its own, on the host. */
export async function updatesPerRun(job: SupervisedJob): Promise<number | undefined> {
  if (job.updatesPerRun !== undefined) return job.updatesPerRun;
  return (await providerOf(job.device)) === 'cuda' ? UPDATES_PER_RUN_ON_CUDA : undefined;
}

/** What looping needs to know of a job. */
export interface LoopedJob {
  /** Samples of the optimiser batch of a step, from 1. */
  batchOf: (step: number) => readonly EncodedSample[];
  /** Tokens of the longest sample. */
  longest: number;
  totalSteps: number;
  together: number;
}

/** Steps that never reach beyond a checkpoint, so that where a run is resumed changes nothing. */
export async function loopedUpdates(
  plan: TrainingPlan,
  job: SupervisedJob,
  { batchOf, longest, totalSteps, together }: LoopedJob,
): Promise<{
  step: Step;
  /** Free the graph. */
  release: () => Promise<void>;
}> {
  const { model, trained, batches } = plan;
  const common = commonRows(longest, batches);
  const loop = await UpdateLoop.create(
    trained,
    job.optimizer,
    common,
    { threads: job.threads, provider: await providerOf(job.device) },
    trained.adapter ? model.parameters : undefined,
  );

  const layOut = (samples: readonly EncodedSample[]): SupervisedBatch[] => {
    const sequences = samples.map(({ tokens }) => tokens);
    const weights = samples.map((sample) => sample.weights);
    const sizes = sequences.map(({ length }) => length);
    return planMicroBatches(sizes, batches, common.length).map((rows) => ({
      ...tokenBatch(rows, sequences, model.tokenizer.padding),
      weights: perToken(rows, weights),
    }));
  };

  const step: Step = async (first, state) => {
    const untilCheckpoint = job.checkpointEverySteps - ((first - 1) % job.checkpointEverySteps);
    const count = Math.min(together, untilCheckpoint, totalSteps - first + 1);
    const steps = Array.from({ length: count }, (_, i) => first + i);
    const samples = steps.map(batchOf);
    const updates = samples.map((batch, i): SupervisedUpdate => ({
      batches: layOut(batch),
      totalWeight: batch.reduce(
        (sum, { weights }) => weights.reduce((part, weight) => part + weight, sum),
        0,
      ),
      learningRate: learningRate(job.optimizer, steps[i]! - 1, totalSteps),
    }));
    const { parameters: params, m, v } = state;
    const figures = await loop.run({ params, m, v, step: state.updates }, updates);
    state.updates += count;
    return figures.map((each, i) => ({
      tokens: samples[i]!.reduce((sum, { tokens }) => sum + tokens.length, 0),
      learningRate: updates[i]!.learningRate,
      ...each,
    }));
  };
  return { step, release: () => loop.release() };
}
