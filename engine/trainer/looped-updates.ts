/** Several updates of a job in one run of a graph: what pays on a device with memory of its own. */
import type { TrainingState } from '../checkpoint/training-checkpoint.js';
import type { TrainingJob } from '../job.js';
import type { TokenBatch } from '../model/batch.js';
import { UpdateLoop, type Update, type UpdateFigures } from '../model/update-loop.js';
import type { Objective } from '../model/update-objectives.js';
import { providerOf } from '../onnx/device.js';
import { learningRate } from '../optimizer/schedule.js';
import { commonRows } from './batches.js';
import { requireFiniteLoss } from './divergence.js';
import type { JobEnd } from './io.js';
import type { TrainingPlan } from './training-plan.js';
import type { Step, StepFigures, TrainingSession } from './training-session.js';

const UPDATES_PER_RUN_ON_CUDA = 8;

/** How many updates go into a run; undefined: each on its own, on the host. */
export async function updatesPerRun(job: TrainingJob): Promise<number | undefined> {
  if (job.updatesPerRun !== undefined) return job.updatesPerRun;
  return (await providerOf(job.device)) === 'cuda' ? UPDATES_PER_RUN_ON_CUDA : undefined;
}

/** Micro-batches of an optimiser batch, whose rows all have room for `tokens`. */
export type LayOut<Item, Batch, Total> = (
  items: readonly Item[],
  tokens: number,
) => Omit<Update<Batch, Total>, 'learningRate'>;

export interface LoopedBatches<Item, Batch extends TokenBatch, Total, Figure extends string> {
  objective: Objective<Batch, Total, Figure>;
  /** Tokens of the longest item. */
  longest: number;
  layOut: LayOut<Item, Batch, Total>;
  /** For messages. */
  nameOf: (item: Item) => string;
}

/** Updates of a job on the device. */
export class LoopedUpdates<Item, Batch extends TokenBatch, Total, Figure extends string> {
  private constructor(
    private readonly loop: UpdateLoop<Batch, Total, Figure>,
    private readonly tokens: number,
    private readonly batches: LoopedBatches<Item, Batch, Total, Figure>,
  ) {}

  /** Build the graph of a job; @throws EngineError (bad job) where its weights do not fit into one. */
  static async create<Item, Batch extends TokenBatch, Total, Figure extends string>(
    { model, trained, batches: plan }: TrainingPlan,
    job: TrainingJob,
    batches: LoopedBatches<Item, Batch, Total, Figure>,
  ): Promise<LoopedUpdates<Item, Batch, Total, Figure>> {
    const least = commonRows(batches.longest, plan);
    const loop = await UpdateLoop.create(trained, batches.objective, {
      adam: job.optimizer,
      least,
      start: model.parameters,
      session: { threads: job.threads, provider: await providerOf(job.device) },
    });
    return new LoopedUpdates(loop, least.length, batches);
  }

  /**
   * One update for each batch of items, in order, on `state`.
   * @throws DivergedError naming the batch whose loss is no number
   */
  async run(
    state: TrainingState,
    updates: readonly { items: readonly Item[]; learningRate: number }[],
  ): Promise<UpdateFigures<Figure>[]> {
    const { layOut, nameOf } = this.batches;
    const { parameters: params, m, v } = state;
    const figures = await this.loop.run(
      { params, m, v, step: state.updates },
      updates.map(({ items, learningRate: rate }) => ({
        ...layOut(items, this.tokens),
        learningRate: rate,
      })),
    );
    state.updates += updates.length;
    figures.forEach(({ loss }, i) => requireFiniteLoss(loss, () => updates[i]!.items.map(nameOf).sort()));
    return figures;
  }

  /** Free the graph. */
  release(): Promise<void> {
    return this.loop.release();
  }
}

/** A job whose batches are known before it begins. */
export interface SteppedJob<Item> {
  /** Items of the optimiser batch of a step, from 1. */
  batchOf: (step: number) => readonly Item[];
  /** For the rate of tokens. */
  tokensOf: (item: Item) => number;
  totalSteps: number;
  together: number;
}

/** Run a job to its end or a stop, by steps that never reach beyond a checkpoint: where a run is resumed changes nothing. */
export async function runLooped<Item, Batch extends TokenBatch, Total, Figure extends string>(
  session: TrainingSession,
  job: TrainingJob,
  looped: LoopedUpdates<Item, Batch, Total, Figure>,
  { batchOf, tokensOf, totalSteps, together }: SteppedJob<Item>,
): Promise<JobEnd> {
  const step: Step = async (first, state) => {
    const untilCheckpoint = job.checkpointEverySteps - ((first - 1) % job.checkpointEverySteps);
    const count = Math.min(together, untilCheckpoint, totalSteps - first + 1);
    const updates = Array.from({ length: count }, (_, i) => ({
      items: batchOf(first + i),
      learningRate: learningRate(job.optimizer, first + i - 1, totalSteps),
    }));
    const figures = await looped.run(state, updates);
    return figures.map((each, i): StepFigures => ({
      tokens: updates[i]!.items.reduce((sum, item) => sum + tokensOf(item), 0),
      learningRate: updates[i]!.learningRate,
      ...each,
    }));
  };
  try {
    return await session.run(totalSteps, step);
  } finally {
    await looped.release();
  }
}
