/** Steps of supervised fine-tuning as the engine's job takes them: micro-batches, clipping, AdamW. */
import type { EncodedSample } from '../../engine/data/supervised-data.js';
import { engineJobSchema, type LoraSettings, type SupervisedJob } from '../../engine/job.js';
import { readModelDirectory } from '../../engine/checkpoint/model-directory.js';
import { accumulateSupervised } from '../../engine/trainer/supervised.js';
import {
  createRuntime,
  initialTrainables,
  planTraining,
  trainedSize,
} from '../../engine/trainer/training-plan.js';
import { tokenIds } from '../cases.js';
import type { Ready } from '../peer/serve-contender.js';

export interface SftCase {
  kind: 'sft';
  model: string;
  threads: number;
  batch: number;
  /** Tokens of a sequence that something is predicted from. */
  length: number;
  lora?: Pick<LoraSettings, 'rank' | 'alpha'>;
  recompute?: boolean;
  microBatchTokens?: number;
}

/** A unit of work is one optimiser step. */
export async function oursSft({
  kind: _,
  batch,
  length,
  model: path,
  ...rest
}: SftCase): Promise<Omit<Ready, 'versions'>> {
  const job = engineJobSchema.parse({
    kind: 'supervised',
    seed: 1,
    model: { from: 'directory', path },
    data: 'none',
    outputDir: 'none',
    checkpointEverySteps: 1_000,
    optimizer: { learningRate: 1e-4 },
    epochs: 1,
    batchSize: batch,
    maxLength: length + 1,
    ...rest,
  }) as SupervisedJob;
  const model = readModelDirectory(path);
  const plan = planTraining(job, model);
  const size = trainedSize(plan);
  const zeros = (): Float32Array => new Float32Array(size);
  const state = { params: initialTrainables(plan, 1), m: zeros(), v: zeros(), step: 0 };
  const runtime = await createRuntime(plan, state, job);
  const samples = Array.from({ length: batch }, (_, row): EncodedSample => {
    const tokens = Int32Array.from(tokenIds(length + 1, row, model.layout.config.vocabSize));
    const weights = new Float32Array(length + 1).fill(1);
    weights[0] = 0;
    return { id: `${row}`, tokens, weights };
  });
  return {
    parameters: model.layout.size,
    trained: size,
    work: async (count) => {
      let loss = 0;
      for (let i = 0; i < count; i += 1) {
        ({ loss } = await accumulateSupervised(runtime, plan, samples, () => Promise.resolve()));
        await runtime.applyAdamW(job.optimizer.learningRate);
      }
      return { loss };
    },
  };
}
