/** Models out of unfinished stages: against a real store and a server that speaks the Jobs API. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { mergeCheckpoint } from '../../activities/ray/merge-checkpoint.js';
import { rayRecords } from '../../activities/ray/training-spec.js';
import { lastStageOf } from '../../client/unfinished-stage.js';
import { freshKey, useStore } from '../artifacts/shared-store.js';
import { line, ScriptedHead } from './scripted-head.js';

const s3 = useStore();
let head: ScriptedHead;
let stageKey: string;

beforeEach(async () => {
  head = await ScriptedHead.start();
  stageKey = freshKey() + freshKey();
});
afterEach(() => head.close());

const merge = () => mergeCheckpoint(s3.store, stageKey, [{ address: head.address }]);

async function directory(): Promise<string> {
  const dir = join(s3.dir, freshKey());
  await mkdir(dir);
  await writeFile(join(dir, 'config.json'), freshKey());
  return dir;
}

/** A stage with a checkpoint of step 4, by a job on Ray. */
async function unfinished(owner = 'run/1'): Promise<void> {
  const { attempt } = await s3.store.claimStage(stageKey, owner);
  const job = { address: head.address, submissionId: 'x', attempt };
  await s3.store.putJson(rayRecords(stageKey).job, job);
  await s3.store.saveCheckpoint(stageKey, 4, attempt, await directory());
}

async function record(step: number) {
  const model = await s3.store.putDirectory('model', await directory());
  await s3.store.putJson(rayRecords(stageKey).merged(step), { format: 'rmr1-merged/1', step, model });
  return model;
}

test('a job merges the newest checkpoint that it finds, and tells its step', async () => {
  await unfinished();
  // The stage goes on: its next checkpoint was there when the job looked.
  const model = await record(5);
  head.onLook = (job) => Object.assign(job, { status: 'SUCCEEDED', log: 'merged step 5\n' });
  expect(await merge()).toMatchObject({ step: 5, model });
  const [job] = head.jobs.values();
  expect(job!.request).toMatchObject({
    entrypoint: 'python -m rmr1_ray.merge',
    entrypoint_num_cpus: 1,
    runtime_env: { env_vars: { RMR1_STAGE_KEY: stageKey, RMR1_S3_BUCKET: s3.settings.bucket } },
  });
  expect(JSON.stringify(job!.request)).not.toContain(s3.settings.secretAccessKey);
});

test('what was merged before is not merged again, unless its model is gone', async () => {
  await unfinished();
  const model = await record(4);
  expect(await merge()).toMatchObject({ step: 4, model });
  expect(head.jobs.size).toBe(0);
});

test.each([
  [line({ type: 'failed', error: { type: 'BadJob', message: 'no room' } }), /cannot be merged: no room/],
  ['Killed\n', /was not merged: Killed/],
])('a job that fails tells why', async (log, said) => {
  await unfinished();
  head.onLook = (job) => Object.assign(job, { status: 'FAILED', log });
  await expect(merge()).rejects.toThrow(said);
});

test('a stage without a checkpoint, or without a job on Ray, has nothing to merge', async () => {
  await expect(merge()).rejects.toMatchObject({ type: 'TrainerRefused' });
  await s3.store.claimStage(stageKey, 'run/1');
  await s3.store.saveCheckpoint(stageKey, 1, 1, await directory());
  await expect(merge()).rejects.toThrow(/no checkpoint of a job on Ray/);
});

test('a cluster that is away is named', async () => {
  await unfinished();
  const { address } = head;
  await head.close();
  const merged = mergeCheckpoint(s3.store, stageKey, [{ address }]);
  await expect(merged).rejects.toMatchObject({ type: 'RayUnreachable' });
  head = await ScriptedHead.start();
});

test('the stage that a run has claimed last is the one that is meant', async () => {
  const run = freshKey();
  await unfinished(`${run}/1`);
  stageKey = freshKey() + freshKey();
  // Children of the run train for it; runs of a longer name are others.
  await unfinished(`${run}/sft/7`);
  const newest = stageKey;
  stageKey = freshKey() + freshKey();
  await unfinished(`${run}0/1`);
  expect(await lastStageOf(s3.store, run)).toBe(newest);
  await expect(lastStageOf(s3.store, 'nobody')).rejects.toMatchObject({ type: 'RunNotReady' });
});
