/** A pass of a distillation through the provider's batch endpoint: the answers end in the cache. */
import {
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowCancellationType,
  executeChild,
  ParentClosePolicy,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { BatchChunk, BatchPlan, DistillationPlan } from '../activities/interface.js';
import { batches } from './activities.js';
import type { Ledger } from './ledger.js';
import type { oracleBatch, OracleBatchInput, OracleBatchResult } from './oracle-batch.js';
import { exhausted } from './oracle-shards.js';
import type { RunControl } from './run-control.js';

/** A question that came back without an answer from so many rounds is left out. */
const ROUNDS_WITHOUT_ANSWER = 3;
/** A full queue at the provider empties slowly. */
const QUEUE_FULL = { code: 'token_limit_exceeded', waitSeconds: 900 };

/**
 * Ask everything that is not answered yet, round by round: what expired or failed in one is asked in the next.
 * @returns How many questions stay without an answer.
 * @throws ApplicationFailure `BudgetExhausted`, `OracleRejected`, `OracleUnreachable`.
 */
export async function askInBatches(
  run: RunControl,
  ledger: Ledger,
  pass: 1 | 2,
  shards: DistillationPlan['shards'],
): Promise<number> {
  let fruitless = 0;
  let answered = 0;
  for (;;) {
    const plan = await planned(run, ledger, pass, shards);
    if (plan.batches.length === 0) {
      if (plan.left > 0) throw exhausted(ledger, plan.needUsd ?? 0);
      return 0;
    }
    const results = await allOf(plan.batches.map((chunk) => leased(run, ledger, pass, chunk)));
    await run.spending.publish();
    const gained = results.reduce((sum, result) => sum + result.answered, 0);
    answered += gained;
    fruitless = gained > 0 ? 0 : fruitless + 1;
    const problem = results.find((result) => result.problem)?.problem;
    if (problem && problem.code !== QUEUE_FULL.code) {
      throw failure('OracleRejected', `The oracle refused a batch (${problem.code}): ${problem.message}`);
    }
    if (problem) await sleep(QUEUE_FULL.waitSeconds * 1000);
    else if (fruitless === ROUNDS_WITHOUT_ANSWER) {
      const left = plan.batches.reduce((sum, { count }) => sum + count, 0) + plan.left;
      if (answered + plan.stored > 0) return left;
      throw failure(
        'OracleUnreachable',
        `${ROUNDS_WITHOUT_ANSWER} batches in a row came back without an answer. Check the provider's status; then \`correct {}\`.`,
      );
    }
  }
}

function planned(
  run: RunControl,
  ledger: Ledger,
  pass: 1 | 2,
  shards: DistillationPlan['shards'],
): Promise<BatchPlan> {
  const { availableUsd } = ledger;
  return batches(run.heartbeatSeconds).planBatches({
    context: run.context,
    oracle: run.recipe.oracle,
    promptVersion: run.recipe.distill.promptVersion,
    pass,
    shards,
    ...(Number.isFinite(availableUsd) ? { allowanceUsd: availableUsd } : {}),
  });
}

/** One batch within the ledger: reserved at its worst price before it is submitted, settled from the usage. */
async function leased(
  run: RunControl,
  ledger: Ledger,
  pass: 1 | 2,
  chunk: BatchChunk,
): Promise<OracleBatchResult> {
  const lease = `batch ${chunk.set}`;
  if (!ledger.reserve(lease, chunk.worstUsd)) throw exhausted(ledger, chunk.worstUsd);
  let spent: OracleBatchResult['spent'] = [];
  try {
    const result = await underWay(run, pass, chunk);
    ({ spent } = result);
    return result;
  } finally {
    ledger.settle(lease, spent);
  }
}

/** Batches of a run that a pause left at the provider, by workflow id. */
const waitedFor = new WeakMap<RunControl, Map<string, Promise<OracleBatchResult>>>();

/**
 * The child workflow of a batch. It is paid by the time it is submitted, so a pause only stops waiting for it; when the
 * run itself ends early, its parent's close cancels it, and with it the batch at the provider.
 */
async function underWay(run: RunControl, pass: 1 | 2, chunk: BatchChunk): Promise<OracleBatchResult> {
  const waiting = waitedFor.get(run) ?? new Map<string, Promise<OracleBatchResult>>();
  waitedFor.set(run, waiting);
  const workflowId = `${workflowInfo().workflowId}/batch-${chunk.set.slice(0, 16)}`;
  let pending = waiting.get(workflowId);
  if (!pending) {
    const input: OracleBatchInput = {
      context: run.context,
      oracle: run.recipe.oracle,
      pass,
      chunk,
      heartbeatSeconds: run.heartbeatSeconds,
    };
    pending = CancellationScope.nonCancellable(() =>
      executeChild<typeof oracleBatch>('oracleBatch', {
        workflowId,
        args: [input],
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        cancellationType: ChildWorkflowCancellationType.ABANDON,
        staticSummary: `batch of ${chunk.count} questions to ${chunk.model}`,
      }),
    ).finally(() => waiting.delete(workflowId));
    waiting.set(workflowId, pending);
    pending.catch(() => undefined);
  }
  return Promise.race([pending, CancellationScope.current().cancelRequested]);
}

/** All results, or the first failure once every one has come to its end: none is abandoned because another failed. */
async function allOf<T>(work: Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(work);
  return settled.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

function failure(type: 'OracleRejected' | 'OracleUnreachable', message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, type);
}
