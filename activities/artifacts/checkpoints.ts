import { join } from 'node:path';
import { rm, readdir } from 'node:fs/promises';
import { z } from 'zod';
import type { Bucket } from './bucket.js';
import { assertInside, listFiles } from './directories.js';
import { StoreError, isStoreError } from './errors.js';
import { Fences, isOnLine, type CheckpointId, type Fence } from './fence.js';
import { mapLimit } from './map-limit.js';
import type { Objects } from './objects.js';
import type { Records } from './records.js';

const PARTS_IN_FLIGHT = 4;
const MANIFEST = 'manifest.json';

const checkpointSchema = z.object({
  format: z.literal('rmr1-checkpoint/1'),
  stageKey: z.string(),
  step: z.int().nonnegative(),
  attempt: z.int().positive(),
  files: z.array(z.object({ path: z.string(), sha256: z.string(), bytes: z.int().nonnegative() })),
  createdAt: z.string(),
});

/** A complete checkpoint: what its manifest, written last, says. */
export type Checkpoint = z.infer<typeof checkpointSchema>;

/** Complete checkpoints kept of a stage under way: the newest, and one to fall back on. */
export const CHECKPOINTS_KEPT = 2;

/** A checkpoint that was fetched, and newer ones that could not be used. */
export interface FetchedCheckpoint {
  checkpoint: Checkpoint;
  skipped: Array<CheckpointId & { reason: string }>;
}

/** A claimed stage: the token to save under, and where to resume. */
export interface Claim {
  /** Monotonic over every process that ever claimed the stage. */
  attempt: number;
  latest: Checkpoint | undefined;
}

/** Checkpoints of a stage: parts, then the manifest, under a fence that only later attempts pass. */
export class Checkpoints {
  private readonly fences: Fences;

  constructor(
    private readonly bucket: Bucket,
    private readonly objects: Objects,
    private readonly records: Records,
  ) {
    this.fences = new Fences(records);
  }

  /** Takes the stage over; see {@link Fences.claim}. */
  async claim(stageKey: string, owner: string, attempt?: number): Promise<Claim> {
    const fence = await this.fences.claim(stageKey, owner, attempt, (standing) =>
      this.newest(stageKey, standing),
    );
    return { attempt: fence.attempt, latest: await this.newest(stageKey, fence) };
  }

  /**
   * Uploads every file below `dir`, then the manifest that makes them a checkpoint.
   *
   * @throws StoreError `Fenced` if a later attempt has claimed the stage.
   */
  async save(stageKey: string, step: number, attempt: number, dir: string): Promise<Checkpoint> {
    await this.fences.claim(stageKey, `attempt ${attempt}`, attempt, (standing) =>
      this.newest(stageKey, standing),
    );
    const root = checkpointRoot(stageKey, { step, attempt });
    const standing = await this.readManifest(root);
    if (standing) return standing;

    const paths = await listFiles(dir);
    if (paths.length === 0 || paths.includes(MANIFEST)) {
      throw new StoreError(
        'StorageSettings',
        `${dir} must hold the files of a checkpoint, and none of them may be called ${MANIFEST}.`,
      );
    }
    const files = await mapLimit(paths, PARTS_IN_FLIGHT, async (path) => ({
      path,
      ...(await this.objects.putFileAt(root + path, join(dir, path))),
    }));
    const checkpoint: Checkpoint = {
      format: 'rmr1-checkpoint/1',
      stageKey,
      step,
      attempt,
      files,
      createdAt: new Date().toISOString(),
    };
    await this.fences.assertHeld(stageKey, attempt);
    try {
      await this.records.putJson(root + MANIFEST, checkpoint, { ifNoneMatch: true });
    } catch (error) {
      if (!isStoreError(error, 'PreconditionFailed')) throw error;
      return (await this.readManifest(root)) ?? checkpoint;
    }
    return checkpoint;
  }

  /** The newest complete checkpoint whose parts are all there in full length. */
  async latest(stageKey: string): Promise<Checkpoint | undefined> {
    return this.newest(stageKey, await this.fences.read(stageKey));
  }

  /** Complete checkpoints, newest first. */
  async list(stageKey: string): Promise<Checkpoint[]> {
    return this.complete(stageKey, await this.fences.read(stageKey));
  }

  /**
   * Replaces the content of `dir` by the newest checkpoint that verifies. Those with a corrupt or missing
   * part are passed over and reported.
   *
   * @returns `undefined` if the stage has no usable checkpoint and starts from nothing.
   */
  async fetch(stageKey: string, dir: string): Promise<FetchedCheckpoint | undefined> {
    const skipped: FetchedCheckpoint['skipped'] = [];
    for (const checkpoint of await this.candidates(stageKey, await this.fences.read(stageKey))) {
      const { step, attempt } = checkpoint;
      try {
        await emptyDirectory(dir);
        const root = checkpointRoot(stageKey, checkpoint);
        await mapLimit(checkpoint.files, PARTS_IN_FLIGHT, (file) =>
          this.objects.getFileAt(root + file.path, file, join(dir, file.path)),
        );
        return { checkpoint, skipped };
      } catch (error) {
        if (!isStoreError(error, 'CorruptArtifact') && !isStoreError(error, 'ArtifactMissing')) throw error;
        skipped.push({ step, attempt, reason: error.message });
      }
    }
    await emptyDirectory(dir);
    return undefined;
  }

  /**
   * Deletes all but the newest `keep` complete checkpoints, and unfinished ones of attempts that are over.
   * Manifests go first, so that an interrupted prune leaves nothing that looks complete.
   *
   * @returns how many checkpoints were deleted.
   */
  async prune(stageKey: string, keep: number): Promise<number> {
    if (!Number.isInteger(keep) || keep < 1) {
      throw new StoreError('StorageSettings', `keep is ${keep}. Keep at least 1 checkpoint.`);
    }
    const fence = await this.fences.read(stageKey);
    const kept = new Set(
      (await this.complete(stageKey, fence)).slice(0, keep).map((id) => checkpointRoot(stageKey, id)),
    );
    if (kept.size === 0) return 0;
    const oldest = Math.min(...[...kept].map((root) => parseId(root)?.step ?? 0));
    let pruned = 0;
    for (const [root, keys] of await this.byCheckpoint(stageKey)) {
      const id = parseId(root);
      if (!id || kept.has(root)) continue;
      const finished = keys.has(MANIFEST);
      // What the present attempt is uploading is unfinished too.
      if (!finished && id.attempt === fence?.attempt && id.step >= oldest) continue;
      await this.bucket.delete(root + MANIFEST);
      await mapLimit([...keys.keys()], PARTS_IN_FLIGHT, (path) => this.bucket.delete(root + path));
      pruned += 1;
    }
    return pruned;
  }

  private async newest(stageKey: string, fence: Fence | undefined): Promise<Checkpoint | undefined> {
    for (const checkpoint of await this.complete(stageKey, fence, 1)) return checkpoint;
    return undefined;
  }

  /** Checkpoints on the line whose every part is listed in full length, newest first. */
  private async complete(
    stageKey: string,
    fence: Fence | undefined,
    limit = Infinity,
  ): Promise<Checkpoint[]> {
    const listed = await this.byCheckpoint(stageKey);
    const found: Checkpoint[] = [];
    for (const root of newestFirst(listed, fence)) {
      const checkpoint = await this.readManifest(root).catch(ignoreCorrupt);
      const parts = listed.get(root);
      if (checkpoint?.files.every(({ path, bytes }) => parts?.get(path) === bytes)) found.push(checkpoint);
      if (found.length >= limit) break;
    }
    return found;
  }

  /** Like {@link complete}, without looking at the parts: a missing one is then reported, not passed over. */
  private async candidates(stageKey: string, fence: Fence | undefined): Promise<Checkpoint[]> {
    const found: Checkpoint[] = [];
    for (const root of newestFirst(await this.byCheckpoint(stageKey), fence)) {
      const checkpoint = await this.readManifest(root).catch(ignoreCorrupt);
      if (checkpoint) found.push(checkpoint);
    }
    return found;
  }

  private async readManifest(root: string): Promise<Checkpoint | undefined> {
    const parsed = checkpointSchema.safeParse((await this.records.getJson(root + MANIFEST))?.value);
    if (!parsed.success) return undefined;
    for (const { path } of parsed.data.files) assertInside(path, root);
    return parsed.data;
  }

  /** Sizes of all objects below each checkpoint's root, by path. */
  private async byCheckpoint(stageKey: string): Promise<Map<string, Map<string, number>>> {
    const found = new Map<string, Map<string, number>>();
    for await (const { key, bytes } of this.bucket.list(`checkpoints/${stageKey}/step-`)) {
      const match = /^(.*?\/step-\d+\/attempt-\d+\/)(.+)$/.exec(key);
      if (!match?.[1] || !match[2]) continue;
      const parts = found.get(match[1]) ?? new Map<string, number>();
      parts.set(match[2], bytes);
      found.set(match[1], parts);
    }
    return found;
  }
}

/** `checkpoints/<stageKey>/step-00000012/attempt-3/`: padded, so that key order is step order. */
function checkpointRoot(stageKey: string, { step, attempt }: CheckpointId): string {
  return `checkpoints/${stageKey}/step-${String(step).padStart(8, '0')}/attempt-${attempt}/`;
}

function parseId(root: string): CheckpointId | undefined {
  const match = /\/step-(\d+)\/attempt-(\d+)\/$/.exec(root);
  return match ? { step: Number(match[1]), attempt: Number(match[2]) } : undefined;
}

function newestFirst(listed: Map<string, Map<string, number>>, fence: Fence | undefined): string[] {
  return [...listed]
    .flatMap(([root, parts]) => {
      const id = parseId(root);
      return id && parts.has(MANIFEST) && isOnLine(id, fence) ? [{ root, id }] : [];
    })
    .sort((a, b) => b.id.step - a.id.step || b.id.attempt - a.id.attempt)
    .map(({ root }) => root);
}

function ignoreCorrupt(error: unknown): undefined {
  if (!isStoreError(error, 'CorruptArtifact')) throw error;
}

async function emptyDirectory(dir: string): Promise<void> {
  const names = await readdir(dir).catch(() => []);
  await Promise.all(names.map((name) => rm(join(dir, name), { recursive: true, force: true })));
}
