/** A process that dies at its n-th write, for every n: what it left is whole, and the next one ends in the same bytes. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type { Bucket } from '../../activities/artifacts/bucket.js';
import type { ArtifactStore } from '../../activities/artifacts/store.js';
import { freshKey, useStore } from '../artifacts/shared-store.js';

vi.setConfig({ testTimeout: 180_000 });

const fixture = useStore();
const STEPS = [1, 2];
const CHANGES = /^(PutObject|DeleteObject|CreateMultipartUpload|UploadPart|CompleteMultipartUpload)Command$/;

class Died extends Error {}

/** A store whose process dies at its `n`-th change, before or after that one takes effect, and changes nothing more. */
function mortal(n: number, when: 'before' | 'after'): { store: ArtifactStore; died: () => boolean } {
  const store = fixture.another();
  const { client } = (store as unknown as { bucket: Bucket }).bucket;
  let changes = 0;
  client.middlewareStack.add(
    (next, context) => async (input) => {
      if (!CHANGES.test(String(context.commandName)) || ++changes < n) return next(input);
      if (changes === n && when === 'after') await next(input);
      throw new Died(`died at change ${changes}`);
    },
    { step: 'initialize' },
  );
  return { store, died: () => changes >= n };
}

async function content(name: string): Promise<string> {
  const dir = join(fixture.dir, `content-${name}`);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'weights'), `weights of ${name}`);
  await writeFile(join(dir, 'config'), `config of ${name}`);
  return dir;
}

/** What a training activity does with the store. `saved` hears of every checkpoint that was acknowledged. */
async function trainStage(store: ArtifactStore, key: string, saved: (step: number) => void): Promise<void> {
  const { attempt, latest } = await store.claimStage(key, 'test');
  for (const step of STEPS) {
    if (latest && step <= latest.step) continue;
    await store.saveCheckpoint(key, step, attempt, await content(`step ${step}`));
    saved(step);
    await store.pruneCheckpoints(key, 1);
  }
  const model = await store.putDirectory('model', await content(`model of ${key}`));
  await store.publishManifest({
    ...{ key, stage: 'sft', outputs: { model }, parents: {}, settings: {}, seed: 1, metrics: {} },
    cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 0 },
    ...{ codeCommit: 'x', startedBy: 'test', workflowId: 'w', attempt, createdAt: '2026-01-01T00:00:00Z' },
  });
}

/** The finished model, where there is one; a manifest whose model is not whole fails the test. */
async function finishedModel(store: ArtifactStore, key: string): Promise<string | undefined> {
  const manifest = await store.readManifest('sft', key);
  if (!manifest) return undefined;
  const dir = join(fixture.dir, `fetched-${freshKey()}`);
  await store.fetchDirectory(manifest.outputs.model!, dir);
  return readFile(join(dir, 'weights'), 'utf8');
}

test.each(['before', 'after'] as const)('death %s the n-th change takes effect', async (when) => {
  const { store } = fixture;
  let n = 0;
  for (let died = true; died;) {
    const key = freshKey();
    const dying = mortal(++n, when);
    let acknowledged = 0;
    const end = await trainStage(dying.store, key, (step) => (acknowledged = step)).then(
      () => undefined,
      (error: unknown) => error,
    );
    died = dying.died();
    expect(end === undefined, `n = ${n}: ${String(end)}`).toBe(!died);

    const model = await finishedModel(store, key);
    if (!died) expect(model).toBe(`weights of model of ${key}`);
    const kept = await store.latestCheckpoint(key);
    expect(kept?.step ?? 0, `n = ${n}: newest checkpoint`).toBeGreaterThanOrEqual(acknowledged);
    if (kept) {
      const dir = join(fixture.dir, `resumed-${freshKey()}`);
      expect((await store.fetchCheckpoint(key, dir))?.checkpoint.step).toBe(kept.step);
      expect(await readFile(join(dir, 'weights'), 'utf8')).toBe(`weights of step ${kept.step}`);
    }
    await trainStage(store, key, () => undefined);
    expect(await finishedModel(store, key), `n = ${n}`).toBe(`weights of model of ${key}`);
  }
  // Fence, two checkpoints of two files and a manifest, prunings, a model of two files and a listing, index, manifest.
  expect(n).toBeGreaterThan(12);
});
