/** Handing a batch to the provider exactly once, whatever dies on the way. */
import { cancelled, Context } from '@temporalio/activity';
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ArtifactStore } from '../../artifacts/store.js';
import type { BatchActivityInput } from '../../interface.js';
import { answerCache } from '../answer-cache.js';
import type { BatchBackend, BatchRequest } from '../backends/batch-backend.js';
import { openBatchBackend } from '../backends/open-backend.js';
import {
  addressOf,
  openKey,
  openRecords,
  readRecord,
  type BatchRecord,
  type StoredRecord,
} from './record.js';

const LOOK_EVERY_MS = 5_000;
/** A submission that was begun is not broken off: its outcome would be unknown. */
const NEVER = new AbortController().signal;

/**
 * The provider's id of the batch, submitted now or before; undefined where all of its questions are answered.
 *
 * A record with a tag is stored before the submission and completed with the id after it. A record without an id means
 * that somebody died, or still is, in between: the provider is searched for the batch, at least until a request sent at
 * that time would have timed out; only then is it submitted again, under a new tag.
 * @throws UserError; StoreError `PreconditionFailed` where another attempt was first, which the next one then finds.
 */
export async function submitBatch(
  store: ArtifactStore,
  input: BatchActivityInput,
): Promise<{ batchId?: string }> {
  const { oracle, chunk } = input;
  const backend = openBatchBackend(oracle);
  const before = await readRecord(store, openKey(chunk.set));
  if (before?.record.batchId) return { batchId: before.record.batchId };
  const found = before && (await findLost(store, backend, before.record, oracle.timeoutSeconds * 1000));
  if (found && before) {
    await store.putJson(openKey(chunk.set), { ...before.record, batchId: found }, { ifMatch: before.etag });
    return { batchId: found };
  }
  return submit(store, backend, input, before);
}

async function submit(
  store: ArtifactStore,
  backend: BatchBackend,
  { context, oracle, chunk }: BatchActivityInput,
  before: StoredRecord | undefined,
): Promise<{ batchId?: string }> {
  const key = openKey(chunk.set);
  const requests = await unanswered(store, chunk);
  if (requests.length === 0) {
    if (before) await store.deleteJson(key);
    return {};
  }
  const record: BatchRecord = {
    set: chunk.set,
    tag: `${chunk.set.slice(0, 24)}-${randomBytes(6).toString('hex')}`,
    address: addressOf(oracle),
    model: chunk.model,
    requests: chunk.requests,
    count: requests.length,
    worstUsd: chunk.worstUsd,
    run: context.runId,
    sentAt: 0,
  };
  if (Context.current().cancellationSignal.aborted) await cancelled();
  let etag = before?.etag;
  const beforeSend = async () => {
    record.sentAt = Date.now();
    const condition = etag === undefined ? { ifNoneMatch: true as const } : { ifMatch: etag };
    ({ etag } = await store.putJson(key, record, condition));
  };
  const batchId = await backend.submit(requests, record.tag, beforeSend, NEVER);
  try {
    await store.putJson(key, { ...record, batchId }, { ifMatch: etag! });
  } catch (error) {
    // Somebody took this submission over while it was asleep: theirs counts, this one must not be worked on.
    if ((error as { type?: string }).type === 'PreconditionFailed') await backend.cancel(batchId, NEVER);
    throw error;
  }
  return { batchId };
}

/** The batch of a record whose id was lost, as soon as it shows; undefined once it cannot appear any more. */
async function findLost(
  store: ArtifactStore,
  backend: BatchBackend,
  { tag, count, sentAt, address }: BatchRecord,
  patienceMs: number,
): Promise<string | undefined> {
  const { cancellationSignal } = Context.current();
  for (;;) {
    const last = Date.now() >= sentAt + patienceMs;
    const others = await openRecords(store);
    const taken = new Set(
      others.flatMap((other) => (other.address === address && other.batchId ? [other.batchId] : [])),
    );
    const found = await backend.find({ tag, count, since: sentAt, taken }, cancellationSignal);
    if (found !== undefined || last) return found;
    const rest = sentAt + patienceMs - Date.now();
    await delay(Math.max(0, Math.min(LOOK_EVERY_MS, rest)), undefined, { signal: cancellationSignal });
  }
}

/** The questions of a chunk that nobody has answered meanwhile. */
async function unanswered(
  store: ArtifactStore,
  { requests }: BatchActivityInput['chunk'],
): Promise<BatchRequest[]> {
  const cache = answerCache(store);
  await cache.refresh({ now: true });
  const rest: BatchRequest[] = [];
  for await (const line of store.openLines(requests)) {
    const request = line as BatchRequest;
    if (!cache.has(request.customId)) rest.push(request);
  }
  return rest;
}
