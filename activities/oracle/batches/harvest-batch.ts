/** Looking after a batch at the provider: how far it is, its results, its end. */
import { activityInfo, Context } from '@temporalio/activity';
import { UserError } from '../../../workflows/errors.js';
import type { ArtifactStore } from '../../artifacts/store.js';
import type { BatchActivityInput, BatchHarvest, BatchHarvestInput, BatchStatus } from '../../interface.js';
import { answerCache, type AnswerCache } from '../answer-cache.js';
import type { BatchRequest, BatchResult } from '../backends/batch-backend.js';
import { openBatchBackend } from '../backends/open-backend.js';
import { priceOf } from '../budget.js';
import { boundedAnswer } from '../judgement.js';
import { refusalOf } from '../refusals.js';
import { SEGMENT_RECORDS, type SegmentRecords, type Writer } from '../segment.js';
import { spentByActivity } from '../tally.js';
import { openKey, readRecord, settleRecord } from './record.js';

type Answers = SegmentRecords['answers'];

export function pollBatch(input: BatchActivityInput & { batchId: string }): Promise<BatchStatus> {
  const backend = openBatchBackend(input.oracle);
  return backend.poll(input.batchId, Context.current().cancellationSignal);
}

/** End it at the provider; what it has done by then can be harvested. Undefined where it was never accepted. */
export async function cancelBatch(
  store: ArtifactStore,
  { oracle, chunk }: BatchActivityInput,
): Promise<{ batchId?: string }> {
  const stored = await readRecord(store, openKey(chunk.set));
  if (!stored) return {};
  const backend = openBatchBackend(oracle);
  const { cancellationSignal: signal } = Context.current();
  const { tag, count, sentAt: since } = stored.record;
  const batchId =
    stored.record.batchId ?? (await backend.find({ tag, count, since, taken: new Set() }, signal));
  if (batchId === undefined) return {};
  await backend.cancel(batchId, signal);
  return { batchId };
}

/**
 * Bring the results of an ended batch into the answer cache, segment by segment, and settle its record. What another
 * attempt stored is not stored again, so that repeating it costs nothing.
 * @throws UserError `OracleRejected` where the provider refused every line of it.
 */
export async function harvestBatch(store: ArtifactStore, input: BatchHarvestInput): Promise<BatchHarvest> {
  const { oracle, chunk, batchId } = input;
  const cache = answerCache(store);
  await cache.refresh({ now: true });
  const { cancellationSignal: signal } = Context.current();
  const wanted = new Set<string>();
  for await (const line of store.openLines(chunk.requests)) wanted.add((line as BatchRequest).customId);
  const harvest = new Harvest(cache, input, wanted);
  if (!input.lost) {
    for await (const result of openBatchBackend(oracle).harvest(batchId, signal)) await harvest.take(result);
    await harvest.seal();
  }

  const left = [...wanted].filter((key) => !cache.has(key)).length;
  const answered = wanted.size - left;
  const spent = await spentByActivity(cache, harvest.writer);
  const stored = await readRecord(store, openKey(chunk.set));
  const usd = spent.reduce((sum, entry) => sum + entry.usd, 0);
  if (stored) await settleRecord(store, stored.record, { answered, left, usd });
  if (answered === 0 && harvest.refused) {
    const { status, message } = harvest.refused;
    throw new UserError(
      'OracleRejected',
      `The oracle rejected every request of batch ${batchId} for model '${chunk.model}' (HTTP ${status}): ${message}`,
    );
  }
  return { answered, left, spent };
}

class Harvest {
  readonly writer: Writer;
  /** The last error that asking again would not mend. */
  refused: { status: number; message: string } | undefined;
  private serial = 0;
  private answers: Answers = [];

  constructor(
    private readonly cache: AnswerCache,
    private readonly input: BatchActivityInput & { batchId: string },
    private readonly wanted: ReadonlySet<string>,
  ) {
    const { activityId, attempt, workflowExecution } = activityInfo();
    this.writer = {
      run: input.context.runId,
      activity: `${workflowExecution?.runId ?? ''}/${activityId}`,
      attempt,
      stage: 'distill',
      model: input.chunk.model,
      pass: input.pass,
    };
  }

  async take(result: BatchResult): Promise<void> {
    const { customId } = result;
    // A foreign line: somebody else's batch, or one that asked more than this set.
    if (!this.wanted.has(customId) || this.cache.has(customId)) return;
    const said = 'answer' in result ? result.answer : 'error' in result ? refusalOf(result.error) : undefined;
    if (!said) {
      if ('error' in result && isFinal(result.error.status)) this.refused = result.error;
      return;
    }
    const { oracle, chunk, context } = this.input;
    const usd = priceOf(oracle, chunk.model, said) * oracle.batch.priceFactor;
    this.answers.push({
      key: customId,
      answer: { ...boundedAnswer(said), usd, paidBy: context.runId },
    });
    if (this.answers.length === SEGMENT_RECORDS) await this.seal();
  }

  async seal(): Promise<void> {
    if (this.answers.length === 0) return;
    this.serial = await this.cache.putMany(this.writer, this.serial, this.answers);
    this.answers = [];
  }
}

function isFinal(status: number): boolean {
  return status >= 400 && status < 500 && ![408, 409, 429].includes(status);
}
