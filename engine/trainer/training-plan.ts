/** What a training job changes: the whole model, or adapters on it. */
import type { LoadedModel } from '../checkpoint/model-directory.js';
import { badJob } from '../errors.js';
import type { TrainingJob } from '../job.js';
import { adapterLayout, initializeAdapter } from '../model/adapter.js';
import { SCORE_WEIGHT, view } from '../model/parameters.js';
import { TrainingRuntime } from '../model/runtime.js';
import { providerOf } from '../onnx/device.js';
import { trainables, type TrainedModel } from '../model/trained-model.js';
import type { OptimizerState } from '../optimizer/adamw.js';
import type { DecoderWeights } from '../rollout/decoder.js';
import { keepsArena, trainingSessions, type BatchPlan } from './batches.js';

export interface TrainingPlan {
  /** The starting model; its weights stay as they are. */
  model: LoadedModel;
  trained: TrainedModel;
  batches: BatchPlan;
}

/** @throws EngineError (bad job) where no weight of the model is a LoRA target */
export function planTraining(job: TrainingJob, model: LoadedModel): TrainingPlan {
  const { layout } = model;
  const adapter = job.lora && adapterLayout(layout, job.lora);
  if (adapter?.targets.length === 0)
    throw badJob(`lora.targets ${job.lora?.targets.join(', ')}: the model has no such projections`);
  const { config } = layout;
  const { recompute, microBatchTokens } = job;
  return {
    model,
    trained: { layout, adapter, recompute },
    batches: { config, recompute, microBatchTokens },
  };
}

/** The vector that training starts from: a copy of the model's weights, or seeded adapters that change nothing yet. */
export function initialTrainables({ model, trained }: TrainingPlan, seed: number): Float32Array {
  const { adapter, layout } = trained;
  if (!adapter) return model.parameters.slice();
  const initial = initializeAdapter(adapter, seed);
  const head = adapter.score && layout.entries.find(({ name }) => name === SCORE_WEIGHT);
  if (adapter.score && head) view(initial, adapter.score).set(view(model.parameters, head));
  return initial;
}

/** The model of a plan, ready to be trained from `state`. */
export async function createRuntime(
  { model, trained, batches }: TrainingPlan,
  state: OptimizerState,
  job: TrainingJob,
): Promise<TrainingRuntime> {
  return TrainingRuntime.create(trained.layout, state, {
    threads: job.threads,
    provider: await providerOf(job.device),
    optimizer: job.optimizer,
    maxSessions: trainingSessions(batches),
    arena: keepsArena(batches),
    ...(trained.adapter ? { adapter: { layout: trained.adapter, frozen: model.parameters } } : {}),
    ...(trained.recompute ? { recompute: true } : {}),
  });
}

/** The weights that rollouts use: the trained ones, or the starting model with the trained adapters. */
export function rolloutWeights({ model, trained }: TrainingPlan, flat: Float32Array): DecoderWeights {
  return trained.adapter ? { parameters: model.parameters, adapter: flat } : { parameters: flat };
}

/** Numbers that the optimiser changes. */
export const trainedSize = ({ trained }: TrainingPlan): number => trainables(trained).size;
