import {
  CancellationScope,
  continueAsNew,
  isCancellation,
  setCurrentDetails,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { BatchActivityInput, BatchHarvest, BatchStatus } from '../activities/interface.js';
import { batches } from './activities.js';
import { policyOf } from './errors.js';
import { rootCause } from './root-cause.js';

export interface OracleBatchInput extends BatchActivityInput {
  /** Seconds without a heartbeat after which a worker counts as lost. */
  heartbeatSeconds: number;
  /** Set by a predecessor whose history had grown long. */
  carried?: { intervalSeconds: number; silentMs?: number };
}

/** What came of one batch; its answers are in the cache. */
export interface OracleBatchResult extends BatchHarvest {
  problem?: BatchStatus['problem'];
}

/** Each look at the batch is so much later than the one before. */
const GROWTH = 1.6;
/** Some eleven events a look: the history ends well below 2,000. */
const LONGEST_HISTORY = 1500;
/** A provider that says nothing for so long is given up. */
const PATIENCE_MS = 36 * 3600_000;
/** First wait for a batch that was told to end. */
const WIND_DOWN_SECONDS = 15;

/**
 * One batch from submission to stored answers. It sleeps between looks at the provider, so that nothing of ours needs to
 * run meanwhile; cancelled, it cancels the batch and brings in what is billed.
 */
export async function oracleBatch(input: OracleBatchInput): Promise<OracleBatchResult> {
  const { heartbeatSeconds, carried, ...batch } = input;
  const activities = batches(heartbeatSeconds);
  try {
    const { batchId } = await activities.submitBatch(batch);
    if (batchId === undefined) return { answered: batch.chunk.count, left: 0, spent: [] };
    const { firstPollSeconds, lastPollSeconds } = batch.oracle.batch;
    let interval = carried?.intervalSeconds ?? Math.min(firstPollSeconds, lastPollSeconds);
    let heard = Date.now() - (carried?.silentMs ?? 0);
    for (;;) {
      if (workflowInfo().historyLength > LONGEST_HISTORY)
        await continueAsNew<typeof oracleBatch>({
          ...input,
          carried: { intervalSeconds: interval, silentMs: Date.now() - heard },
        });
      await sleep(interval * 1000);
      interval = Math.min(lastPollSeconds, interval * GROWTH);
      const status = await look(() => activities.pollBatch({ ...batch, batchId }));
      if (status instanceof Error) {
        if (Date.now() - heard > PATIENCE_MS) throw status;
        setCurrentDetails(`Batch ${batchId}: the provider does not answer (${status.message})`);
        continue;
      }
      heard = Date.now();
      setCurrentDetails(`Batch ${batchId}: ${status.done} of ${status.total} requests done`);
      if (status.state === 'working') continue;
      const lost = status.state === 'lost';
      const harvest = await activities.harvestBatch({ ...batch, batchId, ...(lost ? { lost } : {}) });
      return { ...harvest, ...(status.problem ? { problem: status.problem } : {}) };
    }
  } catch (error) {
    if (isCancellation(error))
      await CancellationScope.nonCancellable(() => windDown(batch, heartbeatSeconds));
    throw error;
  }
}

/** A look at the provider; one that failed is made up for by the next. Refused keys and the like are not. */
async function look(poll: () => Promise<BatchStatus>): Promise<BatchStatus | Error> {
  try {
    return await poll();
  } catch (error) {
    if (isCancellation(error)) throw error;
    if (!policyOf(rootCause(error).type).retry) throw error;
    return error as Error;
  }
}

/** End the batch at the provider and store the answers that it is paid for. */
async function windDown(batch: BatchActivityInput, heartbeatSeconds: number): Promise<void> {
  const activities = batches(heartbeatSeconds);
  const { batchId } = await activities.cancelBatch(batch);
  if (batchId === undefined) return;
  const told = Date.now();
  for (let interval = WIND_DOWN_SECONDS; Date.now() - told < PATIENCE_MS; interval *= GROWTH) {
    const status = await look(() => activities.pollBatch({ ...batch, batchId }));
    if (!(status instanceof Error) && status.state !== 'working') {
      await activities.harvestBatch({
        ...batch,
        batchId,
        ...(status.state === 'lost' ? { lost: true } : {}),
      });
      return;
    }
    await sleep(Math.min(interval, batch.oracle.batch.lastPollSeconds) * 1000);
  }
}
