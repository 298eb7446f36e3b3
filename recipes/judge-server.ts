/** Which recipes have their models asked at a server on the cluster, and how it is sized. Sandbox-safe. */
import { DEFAULT_RAY, type Recipe } from './schema.js';

export interface JudgeServerSize {
  /** GPUs of one node that hold the model together; 0: CPUs. */
  gpus: number;
  /** Longest prompt and judgement together, in tokens. */
  maxModelLen: number;
}

/**
 * Where a recipe's stages train on GPUs of a Ray cluster, its models are asked there too, by vLLM; or where it says so.
 * Undefined: they are asked on the embedded engine, at the training worker.
 */
export function judgeServerOf({
  engine,
  ray = DEFAULT_RAY,
  base,
}: Pick<Recipe, 'engine' | 'ray' | 'base'>): JudgeServerSize | undefined {
  const { judgeServer, gpusPerNode, tensorParallel } = ray;
  if (engine !== 'ray' || (gpusPerNode === 0 && !judgeServer)) return undefined;
  return {
    gpus: judgeServer?.gpus ?? (gpusPerNode > 0 ? tensorParallel : 0),
    maxModelLen: judgeServer?.maxModelLen ?? base.architecture.maxLength,
  };
}
