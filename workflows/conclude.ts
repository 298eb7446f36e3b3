/** How a whole run ends: completed, rejected at a gate, cancelled or failed; the page says which. */
import { isCancellation } from '@temporalio/workflow';
import type { RunResult } from './messages.js';
import { rootCause } from './root-cause.js';
import type { RunControl } from './run-control.js';

/** Run `pipeline` and sum it up. A rejection at a gate is a result, not a failure. */
export async function conclude(run: RunControl, pipeline: () => Promise<void>): Promise<RunResult> {
  try {
    await pipeline();
    const result = summary(run, 'completed');
    run.end('completed', result.metrics['accuracy.grpo']);
    return result;
  } catch (error) {
    if (isCancellation(error)) run.end('cancelled');
    else if (rootCause(error).type === 'Rejected') {
      run.end('rejected');
      return summary(run, 'rejected');
    } else run.end('failed');
    throw error;
  }
}

function summary(run: RunControl, state: RunResult['state']): RunResult {
  const outcome = (stage: string) => run.outcomes.findLast((candidate) => candidate.stage === stage);
  const { report, reportJson } = outcome('report')?.outputs ?? {};
  const model = outcome('grpo')?.outputs.model;
  const scores = outcome('evaluate')?.outputs.scores;
  const { workflowId, recipe } = run.progress();
  return {
    workflowId,
    recipe,
    state,
    ...(model ? { model } : {}),
    ...(scores ? { scores } : {}),
    ...(report ? { report } : {}),
    ...(reportJson ? { reportJson } : {}),
    recipeRef: run.plan.recipeRef,
    metrics: outcome('evaluate')?.metrics ?? {},
    costUsd: run.costUsd,
  };
}
