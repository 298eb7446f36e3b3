/**
 * What a training job on Ray is asked to do: one JSON record in the artefact store, written by the worker and read by
 * `infra/ray/rmr1_ray`, which checks it against `training-spec.schema.json`, made from this schema.
 */
import { z } from 'zod';
import { artifactRefSchema } from '../artifacts/ref.js';
import { optimizerSchema, loraSchema } from '../../engine/job.js';

const common = {
  format: z.literal('rmr1-training/1'),
  /** Where checkpoints lie, see `activities/artifacts/checkpoints.ts`. */
  stageKey: z.string().regex(/^[0-9a-f]{64}$/),
  /** Token of the fence: a job whose attempt is not the newest stores nothing any more. */
  attempt: z.int().positive(),
  seed: z.int().nonnegative(),
  model: artifactRefSchema,
  data: artifactRefSchema,
  checkpointEverySteps: z.int().positive(),
  optimizer: optimizerSchema,
  lora: loraSchema.optional(),
  gradientCheckpointing: z.boolean(),
  precision: z.enum(['float32', 'bfloat16']),
  nodes: z.int().positive(),
  /** CPUs reserved on each node. */
  cpus: z.int().positive(),
  /** GPUs of each node, with a process for each; 0: one process on each node's CPUs. */
  gpus: z.int().nonnegative(),
  samplesPerDevice: z.int().positive(),
  /** Packages that decide the numbers, by name, as the trainer's lock file pins them (`infra/ray/…requirements.txt`). */
  packages: z.record(z.string(), z.string()),
};

const sft = z.strictObject({
  kind: z.literal('sft'),
  ...common,
  epochs: z.number().positive(),
  batchSize: z.int().positive().describe('samples an optimiser step'),
  maxLength: z.int().positive(),
  packing: z.boolean(),
});

const reward = z.strictObject({
  kind: z.literal('reward'),
  ...common,
  epochs: z.number().positive(),
  batchSize: z.int().positive().describe('pairs an optimiser step'),
  maxLength: z.int().positive(),
});

const grpo = z.strictObject({
  kind: z.literal('grpo'),
  ...common,
  trainer: z.enum(['trl', 'verl']),
  steps: z.int().positive(),
  promptsPerStep: z.int().positive(),
  groupSize: z.int().min(2),
  miniBatches: z.int().positive(),
  temperature: z.number().positive(),
  topP: z.number().gt(0).max(1),
  maxPromptTokens: z.int().positive(),
  maxNewTokens: z.int().positive(),
  clip: z.number().positive(),
  clipHigh: z.number().positive(),
  klCoefficient: z.number().min(0),
  objective: z.enum(['grpo', 'dr-grpo', 'gspo']),
  vllm: z.boolean().describe('rollouts by vLLM on the same GPUs; else by the model itself'),
  gpuMemoryForRollouts: z.number().gt(0).lt(1),
  tensorParallel: z.int().positive(),
});

export const trainingSpecSchema = z.discriminatedUnion('kind', [sft, grpo, reward]);
export type TrainingSpec = z.infer<typeof trainingSpecSchema>;

/** What a job writes last, when all of its outputs are in the store: it, and no status, says that the job succeeded. */
export const trainingResultSchema = z.strictObject({
  format: z.literal('rmr1-training-result/1'),
  attempt: z.int().positive(),
  step: z.int().nonnegative(),
  totalSteps: z.int().positive(),
  outputs: z.record(z.string(), artifactRefSchema),
  seconds: z.number().nonnegative(),
});
export type TrainingResult = z.infer<typeof trainingResultSchema>;

/** What a merge leaves: a checkpoint as a model in Hugging Face layout. */
export const mergedSchema = z.strictObject({
  format: z.literal('rmr1-merged/1'),
  step: z.int().nonnegative(),
  model: artifactRefSchema,
});

/** Records of a stage's jobs on Ray. They lie beside the stage's checkpoints and go with them. */
export const rayRecords = (stageKey: string) => {
  const root = `checkpoints/${stageKey}/ray`;
  return {
    /** The newest job and where it runs. */
    job: `${root}/job.json`,
    spec: (attempt: number) => `${root}/attempt-${attempt}/spec.json`,
    /** Its presence asks the job to store a checkpoint and end. */
    stop: (attempt: number) => `${root}/attempt-${attempt}/stop.json`,
    result: (attempt: number) => `${root}/attempt-${attempt}/result.json`,
    /** The model that `rmr1_ray.merge` made of the checkpoint of a step. */
    merged: (step: number) => `${root}/merged-${String(step).padStart(8, '0')}.json`,
  };
};
