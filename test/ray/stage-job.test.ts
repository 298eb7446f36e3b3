/** Which job a stage gets: against a real store and a server that speaks the Jobs API. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { submissionIdOf, type SubmittedJob } from '../../activities/ray/job-on-cluster.js';
import { jobOfStage } from '../../activities/ray/stage-job.js';
import { rayRecords, type TrainingResult, type TrainingSpec } from '../../activities/ray/training-spec.js';
import { freshKey, useStore } from '../artifacts/shared-store.js';
import { ScriptedHead } from './scripted-head.js';

const s3 = useStore();
let head: ScriptedHead;
let stageKey: string;

beforeEach(async () => {
  head = await ScriptedHead.start();
  stageKey = freshKey() + freshKey();
  vi.stubEnv('RMR1_RAY_ADDRESS', head.address);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await head.close();
});

/** Only what submitting looks at. */
const spec = (attempt: number) =>
  ({ kind: 'sft', stageKey, attempt, nodes: 1, cpus: 1, gpus: 0 }) as unknown as TrainingSpec;
const idOf = (attempt: number): string => submissionIdOf('sft', stageKey, attempt);

async function jobNow(standing?: SubmittedJob): Promise<SubmittedJob> {
  const { job } = await jobOfStage(s3.store, {
    stageKey,
    owner: 'a test',
    standing,
    spec,
    patienceMs: 2000,
    metadata: {},
    signal: new AbortController().signal,
  });
  return job;
}

/** As the head knows jobs from before the stage's records were deleted. */
function known(attempt: number, status: string): void {
  head.jobs.set(idOf(attempt), { status, log: '', submissions: 1, request: {} });
}

const claims = async () =>
  ((await s3.store.getJson(`checkpoints/${stageKey}/fence.json`))?.value as { attempt: number } | undefined)
    ?.attempt ?? 0;

describe('a stage that was never trained', () => {
  test('gets its first attempt, on record', async () => {
    const job = await jobNow();
    expect(job).toEqual({ address: head.address, submissionId: idOf(1), attempt: 1 });
    expect((await s3.store.getJson(rayRecords(stageKey).job))?.value).toEqual(job);
    expect((await s3.store.getJson(rayRecords(stageKey).spec(1)))?.value).toMatchObject({ attempt: 1 });
  });

  test.each(['SUCCEEDED', 'FAILED', 'STOPPED'])(
    'passes over numbers whose jobs %s and left nothing, at once',
    async (status) => {
      known(1, status);
      known(2, status);
      const job = await jobNow();
      expect(job).toMatchObject({ submissionId: idOf(3), attempt: 3 });
      expect(await claims()).toBe(3);
      expect(head.jobs.get(idOf(3))).toMatchObject({ status: 'PENDING', submissions: 1 });
      expect((await s3.store.getJson(rayRecords(stageKey).job))?.value).toEqual(job);
      // The fence is asked by the job: its specification says which attempt it is.
      expect((await s3.store.getJson(rayRecords(stageKey).spec(3)))?.value).toMatchObject({ attempt: 3 });
    },
  );

  test.each(['PENDING', 'RUNNING'])('attaches to a job of its number that is %s', async (status) => {
    known(1, status);
    expect(await jobNow()).toMatchObject({ submissionId: idOf(1), attempt: 1 });
    expect(head.stops).toEqual([]);
  });

  test('takes a job of its number that has ended with a result', async () => {
    known(1, 'FAILED');
    const result: TrainingResult = {
      format: 'rmr1-training-result/1',
      attempt: 1,
      step: 3,
      totalSteps: 3,
      outputs: {},
      seconds: 1,
    };
    await s3.store.putJson(rayRecords(stageKey).result(1), result);
    expect(await jobNow()).toMatchObject({ attempt: 1 });
  });

  test('follows the job of its number where the head goes away right after it was submitted', async () => {
    known(1, 'FAILED');
    Object.defineProperty(head.jobs.get(idOf(1)), 'submissions', {
      get: () => 1,
      set: () => (head.broken = { status: 503, text: 'starting' }),
    });
    expect(await jobNow()).toMatchObject({ attempt: 1 });
  });
});

describe('a stage with a job on record', () => {
  const standing = (attempt: number): SubmittedJob => ({
    address: head.address,
    submissionId: idOf(attempt),
    attempt,
  });

  test('attaches to it while it is alive', async () => {
    const first = await jobNow();
    expect(await jobNow(first)).toEqual(first);
    expect(await claims()).toBe(1);
    expect(head.jobs.size).toBe(1);
  });

  test('stops one that was asked to stop, and takes the next number', async () => {
    const first = await jobNow();
    await s3.store.putJson(rayRecords(stageKey).stop(1), { at: 'now' });
    expect(await jobNow(first)).toMatchObject({ attempt: 2 });
    expect(head.stops).toEqual([idOf(1)]);
  });

  test('takes the next number where it has ended, or the head has forgotten it', async () => {
    const first = await jobNow();
    head.jobs.get(idOf(1))!.status = 'FAILED';
    expect(await jobNow(first)).toMatchObject({ attempt: 2 });
    head.jobs.clear();
    expect(await jobNow(standing(2))).toMatchObject({ attempt: 3 });
  });
});
