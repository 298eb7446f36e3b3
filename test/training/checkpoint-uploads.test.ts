/** Uploads beside the training: a store that refuses must end the attempt, and must not hang its worker. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { StoreError } from '../../activities/artifacts/errors.js';
import type { ArtifactStore } from '../../activities/artifacts/store.js';
import { CheckpointUploads } from '../../activities/training/checkpoint-uploads.js';

let work: string;
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), 'rmr1-uploads-'));
});
afterEach(() => rm(work, { recursive: true, force: true }));

const checkpoint = () => mkdtemp(join(work, 'step-'));

function uploads(save: (step: number) => Promise<void>) {
  const failures: unknown[] = [];
  const store = {
    saveCheckpoint: (_key: string, step: number) => save(step),
    pruneCheckpoints: () => Promise.resolve(0),
  } as unknown as ArtifactStore;
  return { failures, queue: new CheckpointUploads(store, 'key', 1, (error) => failures.push(error)) };
}

test('a checkpoint that comes after a refused one ends in the same error, not in an endless wait', async () => {
  const fenced = new StoreError('Fenced', 'attempt 2 has taken over');
  const { failures, queue } = uploads(() => Promise.reject(fenced));
  queue.add(1, await checkpoint());
  await expect(queue.settle()).rejects.toBe(fenced);
  queue.add(2, await checkpoint());
  await expect(queue.settle()).rejects.toBe(fenced);
  expect(failures).toEqual([fenced]);
  expect(queue.storedStep).toBeUndefined();
});

test('of checkpoints that wait, only the newest is uploaded; nothing stays on the disk', async () => {
  const saved: number[] = [];
  let open!: () => void;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const { queue } = uploads(async (step) => {
    await gate;
    saved.push(step);
  });
  for (const step of [1, 2, 3, 4]) queue.add(step, await checkpoint());
  open();
  await queue.settle();
  expect(saved).toEqual([1, 4]);
  expect(queue.storedStep).toBe(4);
  await vi.waitFor(async () => expect(await readdir(work)).toEqual([]));
});
