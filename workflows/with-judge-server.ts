/** Work that asks a model at a server on the cluster: the server ends with it. */
import { CancellationScope, patched } from '@temporalio/workflow';
import type { ServerOwner } from '../activities/ray/serving-spec.js';
import { judgeServerOf } from '../recipes/judge-server.js';
import type { Recipe } from '../recipes/schema.js';
import { io } from './activities.js';

/** Whether a recipe's models are asked at a server; runs that began before there was one go on without. */
export function isServed(recipe: Pick<Recipe, 'engine' | 'ray' | 'base'>): boolean {
  return judgeServerOf(recipe) !== undefined && patched('judge-server');
}

/**
 * Run `work`, whose activities bring the server up and hold it. It is released when the work is done, failed, paused or
 * cancelled; where nobody comes to release it, its lease runs out.
 */
export async function withJudgeServer<T>(owner: ServerOwner, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await releaseJudgeServer(owner);
  }
}

/** Let the owner's server finish and end; of a failure the lease takes care. */
export async function releaseJudgeServer(owner: ServerOwner): Promise<void> {
  await CancellationScope.nonCancellable(() => io().releaseServer(owner)).catch(() => undefined);
}
