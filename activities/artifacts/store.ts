import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Bucket, type WriteCondition } from './bucket.js';
import { Checkpoints, type Checkpoint, type Claim, type FetchedCheckpoint } from './checkpoints.js';
import { carryOut, planCleanUp, type CleanUpParts } from './clean-up.js';
import { fetchDirectory, putDirectory, readListing, type DirectoryListing } from './directories.js';
import { openLines, putLines } from './json-lines.js';
import { lineage, type Lineage } from './lineage.js';
import { LocalCache } from './local-cache.js';
import { Manifests, type Published } from './manifests.js';
import { Objects } from './objects.js';
import { Records, type JsonRecord } from './records.js';
import type { ArtifactKind, ArtifactRef, DirectoryKind, Manifest } from './ref.js';
import type { Doomed, RetentionPolicy } from './retention.js';
import { settingsFromEnvironment, type S3Settings } from './settings.js';

const DEFAULT_CACHE_BYTES = 8 * 1024 ** 3;

export interface StoreOptions {
  /** Directory for verified local copies; none are kept without it. */
  cacheDir?: string;
  /** Default 8 GiB. */
  cacheBytes?: number;
}

/**
 * Everything the pipeline keeps: content-addressed artefacts, manifests of finished stages, checkpoints and
 * small mutable records, in one S3 bucket. All failures are `StoreError`s with a stable `type`.
 */
export class ArtifactStore {
  private readonly bucket: Bucket;
  private readonly objects: Objects;
  private readonly records: Records;
  private readonly manifests: Manifests;
  private readonly checkpoints: Checkpoints;

  constructor(
    readonly settings: S3Settings,
    options: StoreOptions = {},
  ) {
    this.bucket = new Bucket(settings);
    const cache = options.cacheDir
      ? new LocalCache(options.cacheDir, options.cacheBytes ?? DEFAULT_CACHE_BYTES)
      : undefined;
    this.objects = new Objects(this.bucket, cache);
    this.records = new Records(this.bucket);
    this.manifests = new Manifests(this.bucket, this.objects, this.records);
    this.checkpoints = new Checkpoints(this.bucket, this.objects, this.records);
  }

  /** Fails with the right error unless the bucket exists and can be used. */
  check(): Promise<void> {
    return this.bucket.check();
  }

  /** Aborts multipart uploads left by killed processes; call it when a worker starts. */
  abortDanglingUploads(olderThanMs = 24 * 3600_000): Promise<number> {
    return this.bucket.abortDanglingUploads(olderThanMs);
  }

  putBytes(kind: ArtifactKind, body: Uint8Array | string): Promise<ArtifactRef> {
    return this.objects.putBytes(kind, typeof body === 'string' ? Buffer.from(body) : body);
  }

  putFile(kind: ArtifactKind, path: string): Promise<ArtifactRef> {
    return this.objects.putFile(kind, path);
  }

  /** Stores one JSON value a line. */
  putLines(kind: ArtifactKind, rows: Iterable<unknown> | AsyncIterable<unknown>): Promise<ArtifactRef> {
    return putLines(this.objects, kind, rows);
  }

  /** Stores every file below `dir`; the reference names the hash of their listing. */
  putDirectory(kind: DirectoryKind, dir: string): Promise<ArtifactRef> {
    return putDirectory(this.objects, kind, dir);
  }

  getBytes(ref: ArtifactRef): Promise<Buffer> {
    return this.objects.getBytes(ref);
  }

  /** Writes the verified artefact to `path`, whole or not at all. */
  getFile(ref: ArtifactRef, path: string): Promise<void> {
    return this.objects.getFile(ref, path);
  }

  /** Runs `use` on a verified local copy that is removed afterwards. */
  withFile<T>(ref: ArtifactRef, use: (path: string) => Promise<T>): Promise<T> {
    return this.objects.withFile(ref, use);
  }

  /** Makes `dir` hold every file of a directory artefact, verified. */
  fetchDirectory(ref: ArtifactRef, dir: string): Promise<void> {
    return fetchDirectory(this.objects, ref, dir);
  }

  /** Names, hashes and sizes of a directory artefact's files. */
  readListing(ref: ArtifactRef): Promise<DirectoryListing> {
    return readListing(this.objects, ref);
  }

  /** The values of a JSONL artefact, streamed from a copy that was verified as a whole. */
  openLines(ref: ArtifactRef): AsyncGenerator<unknown> {
    return openLines(this.objects, ref);
  }

  /** Whether the object is there in full length, without reading it. */
  has(ref: ArtifactRef): Promise<boolean> {
    return this.objects.has(ref);
  }

  /** The manifest of a finished stage, or `undefined` if no run finished it. */
  readManifest(stage: string, key: string): Promise<Manifest | undefined> {
    return this.manifests.read(stage, key);
  }

  /** Declares a stage finished; the first manifest of a key wins and is returned. */
  publishManifest(manifest: Manifest): Promise<Published> {
    return this.manifests.publish(manifest);
  }

  /** What an artefact or a stage was made from, back to the data from outside. */
  lineage(of: ArtifactRef | Manifest): Promise<Lineage> {
    return lineage(this.manifests, of);
  }

  /**
   * Takes a stage over from whoever trained it before and tells where to resume. The returned `attempt` is the
   * token for {@link saveCheckpoint}; every lower one is `Fenced` from now on. It counts over all runs, unlike
   * an activity's attempt, which begins at 1 in each.
   */
  claimStage(stageKey: string, owner: string, attempt?: number): Promise<Claim> {
    return this.checkpoints.claim(stageKey, owner, attempt);
  }

  /** Uploads `dir` as a checkpoint: parts first, manifest last. Saving the same one again is harmless. */
  saveCheckpoint(stageKey: string, step: number, attempt: number, dir: string): Promise<Checkpoint> {
    return this.checkpoints.save(stageKey, step, attempt, dir);
  }

  /** The newest complete checkpoint of a stage. */
  latestCheckpoint(stageKey: string): Promise<Checkpoint | undefined> {
    return this.checkpoints.latest(stageKey);
  }

  /** All complete checkpoints of a stage, newest first. */
  listCheckpoints(stageKey: string): Promise<Checkpoint[]> {
    return this.checkpoints.list(stageKey);
  }

  /** Replaces the content of `dir` by the newest checkpoint that verifies. */
  fetchCheckpoint(stageKey: string, dir: string): Promise<FetchedCheckpoint | undefined> {
    return this.checkpoints.fetch(stageKey, dir);
  }

  /** Deletes all but the newest `keep` checkpoints of a stage. */
  pruneCheckpoints(stageKey: string, keep: number): Promise<number> {
    return this.checkpoints.prune(stageKey, keep);
  }

  /** A small mutable record and its version. */
  getJson(key: string): Promise<JsonRecord | undefined> {
    return this.records.getJson(key);
  }

  /** Writes a record, by compare-and-swap if a condition is given. */
  putJson(key: string, value: unknown, condition?: WriteCondition): Promise<{ etag: string }> {
    return this.records.putJson(key, value, condition);
  }

  /** Writes bytes under a key of the caller's, for logs that are made of segments. */
  putSegment(key: string, body: Uint8Array, condition?: WriteCondition): Promise<void> {
    return this.records.putBytes(key, body, condition);
  }

  /** The bytes of a segment, or only the first so many of them; `undefined` where there is none. */
  getSegment(key: string, firstBytes?: number): Promise<Buffer | undefined> {
    return this.records.getBytes(key, firstBytes);
  }

  /** Keys of records below a prefix: all, or the first `limit`. */
  listKeys(prefix: string, limit?: number): Promise<string[]> {
    return this.records.listKeys(prefix, limit);
  }

  /** Objects below a prefix that others fill, each with a version that changes with its content; in key order. */
  async *listVersions(prefix: string): AsyncGenerator<{ key: string; version: string; bytes: number }> {
    for await (const { key, etag, bytes } of this.bucket.list(prefix)) yield { key, version: etag, bytes };
  }

  /** The bytes of an object that others wrote; there is no hash to verify them against. */
  async openObject(key: string): Promise<Readable> {
    const found = await this.bucket.get(key);
    if (!found) throw this.bucket.missing(key);
    return found.body;
  }

  deleteJson(key: string): Promise<void> {
    return this.records.delete(key);
  }

  /** What a clean-up by `policy` would delete; nothing that a manifest or a champion reaches. */
  planCleanUp(policy: RetentionPolicy, now?: Date): Promise<Doomed[]> {
    return planCleanUp(this.cleanUpParts, policy, now);
  }

  /** Delete what a plan names, unless it is reached or was written again by now. @returns how many objects went. */
  carryOut(plan: readonly Doomed[]): Promise<number> {
    return carryOut(this.cleanUpParts, plan);
  }

  private get cleanUpParts(): CleanUpParts {
    const { bucket, objects, records, manifests } = this;
    return { bucket, objects, records, manifests };
  }

  /** Closes idle connections. */
  close(): void {
    this.bucket.close();
  }
}

/**
 * The store that the environment describes; see {@link settingsFromEnvironment}. Local copies are kept in
 * `RMR1_ARTIFACT_CACHE`, by default below the user's cache directory; set it empty to keep none.
 */
export function storeFromEnvironment(env: NodeJS.ProcessEnv = process.env): ArtifactStore {
  const cacheDir =
    env['RMR1_ARTIFACT_CACHE'] ?? join(env['RMR1_CACHE'] || join(homedir(), '.cache', 'rmr1'), 'artifacts');
  return new ArtifactStore(settingsFromEnvironment(env), cacheDir ? { cacheDir } : {});
}
