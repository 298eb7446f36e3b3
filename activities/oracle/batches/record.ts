/**
 * What is known about a batch at the provider, durable before anything is sent: `oracle-batches/open/<set>.json`, named
 * by the hash of its questions. It moves to `oracle-batches/settled/` once its results are in the answer cache.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { corrupt } from '../../artifacts/errors.js';
import { mapLimit } from '../../artifacts/map-limit.js';
import { artifactRefSchema } from '../../artifacts/ref.js';
import type { ArtifactStore } from '../../artifacts/store.js';
import type { Recipe } from '../../../recipes/schema.js';

const OPEN = 'oracle-batches/open/';
const SETTLED = 'oracle-batches/settled/';
const READS_IN_FLIGHT = 16;

export const batchRecordSchema = z.strictObject({
  /** Hash of provider and questions. */
  set: z.string(),
  /** Unique to this submission; the provider's metadata has it where there is any. */
  tag: z.string(),
  address: z.string(),
  model: z.string(),
  /** The questions of the set, one {@link BatchRequest} a line. */
  requests: artifactRefSchema,
  /** Questions that were sent: those of the set that nobody had answered by then. */
  count: z.int().nonnegative(),
  /** The most that the batch can cost, in USD. */
  worstUsd: z.number().nonnegative(),
  /** The run that submitted it. */
  run: z.string(),
  /** Just before the submission, ms since the epoch. */
  sentAt: z.number(),
  /** Absent while nobody knows whether the provider accepted it. */
  batchId: z.string().optional(),
});
export type BatchRecord = z.infer<typeof batchRecordSchema>;

/** Where and with whom a question is asked: records of another address are none of ours. */
export function addressOf({ provider, baseUrl }: Pick<Recipe['oracle'], 'provider' | 'baseUrl'>): string {
  return baseUrl === undefined ? provider : `${provider} ${baseUrl}`;
}

/** Names a set of questions, whatever their order. */
export function setOf(address: string, customIds: readonly string[]): string {
  const text = [address, ...[...customIds].sort()].join('\n');
  return createHash('sha256').update(text).digest('hex');
}

export const openKey = (set: string): string => `${OPEN}${set}.json`;

export interface StoredRecord {
  record: BatchRecord;
  etag: string;
}

/** @throws StoreError `CorruptArtifact` */
export async function readRecord(store: ArtifactStore, key: string): Promise<StoredRecord | undefined> {
  const found = await store.getJson(key);
  if (!found) return undefined;
  const parsed = batchRecordSchema.safeParse(found.value);
  if (!parsed.success) throw corrupt(key, 'it is no record of a batch');
  return { record: parsed.data, etag: found.etag };
}

/** Batches whose results nobody has brought in yet, of all runs. */
export async function openRecords(store: ArtifactStore): Promise<BatchRecord[]> {
  const keys = await store.listKeys(OPEN);
  const found = await mapLimit(keys, READS_IN_FLIGHT, (key) => readRecord(store, key));
  return found.flatMap((stored) => (stored ? [stored.record] : []));
}

/** Its results are stored: it is open no longer. Safe to repeat. */
export async function settleRecord(
  store: ArtifactStore,
  record: BatchRecord,
  outcome: { answered: number; left: number; usd: number },
): Promise<void> {
  await store.putJson(`${SETTLED}${record.tag}.json`, { ...record, outcome });
  const open = await readRecord(store, openKey(record.set));
  if (open?.record.tag === record.tag) await store.deleteJson(openKey(record.set));
}
