/**
 * The whole pipeline with TRL on a local Ray head: real Temporal, S3, Ray and TRL; then one victim after the other. The
 * recipe, the data and the seed are the same every time, so whatever happens, the weights at the end must be those of the
 * run that nobody disturbed.
 */
import type { WorkflowHandle } from '@temporalio/client';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Manifest } from '../../activities/artifacts/ref.js';
import { localScorer } from '../../activities/evaluation/judges/local-scalar.js';
import { submissionIdOf } from '../../activities/ray/job-on-cluster.js';
import { RayJobsApi } from '../../activities/ray/jobs-api.js';
import { rayRecords } from '../../activities/ray/training-spec.js';
import type { StepMetrics } from '../../engine/job.js';
import { isRunning, stopGroup } from '../../infra/local/process.js';
import { allProcesses } from '../support/processes.js';
import { until } from '../support/until.js';
import { type Held, planHold, releaseAll } from './held-job.js';
import {
  type RayMachine,
  REWARD_ON_TWO_NODES,
  startRayMachine,
  TINY_EMBEDDED,
  TINY_ON_RAY,
} from './ray-machine.js';

type Trained = 'sft' | 'grpo';

let on: RayMachine;
/** Manifests of the undisturbed run by stage. */
const reference = new Map<string, Manifest>();
let runs = 0;

beforeAll(async () => {
  on = await startRayMachine();
  await on.machine.startWorker();
  await complete(await begin());
  for (const stage of ['sft', 'grpo', 'evaluate']) reference.set(stage, (await manifestsOf(stage))[0]!);
});
afterEach(async ({ task }) => {
  await releaseAll(on.crashPoints);
  if (task.result?.state === 'fail') await on.recover();
});
afterAll(() => on?.stop());

const begin = () => on.machine.start('trainRewardModel', { overrides: TINY_ON_RAY }, `ray-${++runs}`);

/** Wait for the end; a run that waits for a correction has failed the test. */
async function complete(handle: WorkflowHandle, wanted = 'COMPLETED'): Promise<void> {
  await until(
    `the end of ${handle.workflowId}`,
    async () => {
      const progress = await on.machine.progress(handle.workflowId);
      if (progress?.problem) throw new Error(JSON.stringify(progress.problem));
      const description = await handle.describe().catch(() => undefined);
      if (!description || description.status.name === 'RUNNING') return false;
      expect(description.status.name).toBe(wanted);
      return true;
    },
    280,
  );
}

async function manifestsOf(stage: string): Promise<Manifest[]> {
  const keys = await on.machine.store.listKeys(`manifests/${stage}/`);
  return Promise.all(keys.map(async (key) => (await on.machine.store.getJson(key))!.value as Manifest));
}

const keyOf = (stage: Trained): string => reference.get(stage)!.key;

/**
 * Where each attempt at a stage began: the step of its checkpoint, undefined for the very beginning. Numbers whose jobs
 * the head knows from earlier tests are passed over and are among them.
 */
async function beginnings(stage: Trained): Promise<(number | undefined)[]> {
  const fence = (await on.machine.store.getJson(`checkpoints/${keyOf(stage)}/fence.json`))!.value as {
    claims: { from: { step: number } | null }[];
  };
  return fence.claims.map(({ from }) => from?.step);
}

interface Disturbed extends Held {
  handle: WorkflowHandle;
  /** Number of the attempt that is held. */
  attempt: number;
}

/**
 * Train `stage` again, with its job held at a step after its first checkpoint while `disturb` does its worst. The model
 * must be the reference's to the bit, and no later attempt may have begun before that checkpoint. Returns where they began.
 */
async function disturbed(
  stage: Trained,
  disturb: (held: Disturbed) => Promise<WorkflowHandle | void>,
): Promise<(number | undefined)[]> {
  const checkpoint = stage === 'sft' ? 5 : 2;
  const held = await planHold(on.crashPoints, `^ray.step-${checkpoint + 1}$`);
  await on.machine.forget(stage);
  await on.machine.ensureWorker();
  const handle = await begin();
  const job = await held();
  await on.machine.checkpointFrom(keyOf(stage), checkpoint);
  const attempt = (await beginnings(stage)).length;
  const after = (await disturb({ ...job, handle, attempt })) ?? handle;
  await job.release();
  await complete(after);
  const manifest = (await manifestsOf(stage)).find(({ key }) => key === keyOf(stage))!;
  expect(manifest.outputs['model']!.sha256).toBe(reference.get(stage)!.outputs['model']!.sha256);
  expect(manifest.metrics['steps']).toBe(reference.get(stage)!.metrics['steps']);
  const all = await beginnings(stage);
  const later = all.slice(attempt);
  for (const step of all.slice(0, attempt)) expect(step).toBeUndefined();
  for (const step of later) expect(step).toBeGreaterThanOrEqual(checkpoint);
  return later;
}

describe('engine ray', () => {
  test('trains SFT and GRPO with TRL to the last step', () => {
    expect(reference.get('grpo')!.metrics['steps']).toBe(8);
    expect(reference.get('grpo')!.outputs).toHaveProperty('rollouts');
    expect(reference.get('sft')!.settings).toMatchObject({ engine: 'ray', precision: 'float32' });
  });

  test('takes the losses of the embedded engine, step by step on the same data', async () => {
    await complete(await on.machine.start('sft', { overrides: TINY_EMBEDDED }, 'embedded-sft'));
    const embedded = (await manifestsOf('sft')).find(({ key }) => key !== keyOf('sft'))!;
    const [ours, theirs] = await Promise.all([embedded, reference.get('sft')!].map(metricsOf));
    expect(theirs!.map(({ tokens }) => tokens)).toEqual(ours!.map(({ tokens }) => tokens));
    for (const [index, { learningRate }] of ours!.entries())
      expect(theirs![index]!.learningRate).toBeCloseTo(learningRate, 10);
    expect(distance(ours!, theirs!, 'loss')).toBeLessThan(1e-3);
    expect(distance(ours!, theirs!, 'gradNorm')).toBeLessThan(1e-2);
    // Later tests look for the one stage of the reference.
    await on.machine.store.deleteJson(`manifests/sft/${embedded.key}.json`);
  });
});

/** Largest relative difference of a figure between the steps of two runs. */
function distance(ours: readonly StepMetrics[], theirs: readonly StepMetrics[], of: 'loss' | 'gradNorm') {
  expect(theirs.length).toBe(ours.length);
  return Math.max(...ours.map((step, i) => Math.abs(theirs[i]![of] - step[of]) / step[of]));
}

describe('a reward model on two nodes', () => {
  test('takes the losses of the embedded engine, and scores as its model does', async () => {
    const node = await on.ray.addNode('127.0.0.3', 1);
    try {
      await complete(await on.machine.start('reward', { overrides: REWARD_ON_TWO_NODES }, 'reward-on-ray'));
    } finally {
      await stopGroup(node, 10_000);
    }
    await complete(await on.machine.start('reward', { overrides: TINY_EMBEDDED }, 'reward-embedded'));
    const manifests = await manifestsOf('reward');
    const onRay = manifests.find(({ settings }) => (settings as { engine?: string }).engine === 'ray')!;
    const embedded = manifests.find((each) => each !== onRay)!;
    const [ours, theirs] = await Promise.all([embedded, onRay].map(metricsOf));
    expect(theirs!.map(({ tokens }) => tokens)).toEqual(ours!.map(({ tokens }) => tokens));
    expect(distance(ours!, theirs!, 'loss')).toBeLessThan(1e-3);
    expect(distance(ours!, theirs!, 'gradNorm')).toBeLessThan(1e-2);
    for (const [i, { accuracy, margin }] of ours!.entries()) {
      expect(theirs![i]!.accuracy).toBeCloseTo(accuracy!, 5);
      expect(theirs![i]!.margin).toBeCloseTo(margin!, 3);
    }
    const [ourScores, theirScores] = await Promise.all([embedded, onRay].map(scoresOf));
    for (const [i, score] of ourScores!.entries()) expect(theirScores![i]).toBeCloseTo(score, 3);
  });
});

/** Scores of a few texts, by the judge that `rmr1 evaluate --judge scalar` asks. */
async function scoresOf({ outputs }: Manifest): Promise<number[]> {
  const { sha256 } = outputs['model']!;
  const dir = join(on.machine.home, 'scored', sha256);
  await on.machine.store.fetchDirectory(outputs['model']!, dir);
  const scorer = await localScorer({ dir, sha256 }, { kind: 'local-scalar', threads: 1, batchSize: 4 });
  try {
    const messages = [{ role: 'user' as const, content: 'Which is it?' }];
    const { signal } = new AbortController();
    const scored = ['one', 'the other'].map((answer) => scorer.score(messages, answer, signal));
    return (await Promise.all(scored)).map(({ score }) => score);
  } finally {
    await scorer.close();
  }
}

async function metricsOf({ outputs }: Manifest): Promise<StepMetrics[]> {
  const steps: StepMetrics[] = [];
  for await (const line of on.machine.store.openLines(outputs['metrics']!)) steps.push(line as StepMetrics);
  return steps;
}

describe('whatever is killed (−9), the model is the same', () => {
  test.each<Trained>(['sft', 'grpo'])('the trainer, during %s: the next attempt resumes', async (stage) => {
    const later = await disturbed(stage, ({ pid }) => {
      process.kill(pid, 'SIGKILL');
      return Promise.resolve();
    });
    expect(later.length).toBe(1);
  });

  test('the head: its job is lost, the next one resumes, and the old trainer cannot write', async () => {
    let lost = 0;
    const later = await disturbed('grpo', async ({ release, attempt }) => {
      lost = attempt;
      await on.ray.kill9();
      await on.ray.restart();
      await until('the next attempt', async () => (await beginnings('grpo')).length > attempt);
      await release();
    });
    expect(later.length).toBe(1);
    expect(await on.machine.store.getJson(rayRecords(keyOf('grpo')).result(lost))).toBeUndefined();
    expect(await on.machine.store.getJson(rayRecords(keyOf('grpo')).result(lost + 1))).toBeDefined();
  });

  test('the worker: the job works on, and the next worker attaches to it', async () => {
    const later = await disturbed('grpo', async ({ pid }) => {
      const worker = on.machine.killWorker();
      await until('the end of the worker', () => !isRunning(worker), 10);
      expect(on.trainers().map((each) => each.pid)).toContain(pid);
      await on.machine.startWorker();
    });
    expect(later).toEqual([]);
  });

  test('Temporal: training goes on without it, the run ends after its return', async () => {
    const later = await disturbed('sft', async ({ release, pid }) => {
      await on.machine.temporal.kill9();
      await release();
      await until('the end of the job', () => !allProcesses().some((each) => each.pid === pid), 120);
      await on.machine.temporal.restart();
    });
    expect(later).toEqual([]);
  });
});

describe('judging at a server', () => {
  const linesOf = async <T>(name: string): Promise<T[]> => {
    const text = await readFile(join(on.standIn, name), 'utf8').catch(() => '');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as T);
  };

  test('its process killed in the middle is started again; no judgement is asked for twice, no server is left', async () => {
    await on.machine.ensureWorker();
    const hold = join(on.standIn, 'hold');
    await writeFile(hold, '5');
    const overrides = { ...TINY_ON_RAY, 'ray.judgeServer': { gpus: 0 }, 'evaluate.stages': ['grpo'] };
    const handle = await on.machine.start('trainRewardModel', { overrides }, 'ray-judged');
    await until(
      'five stored judgements',
      async () => (await on.machine.store.listKeys('judgements/')).length >= 5,
    );
    const [server] = await linesOf<{ pid: number }>('started.jsonl');
    process.kill(server!.pid, 'SIGKILL');
    await rm(hold);
    await complete(handle);

    expect((await linesOf('started.jsonl')).length).toBe(2);
    const asked = await linesOf<{ question: string; pid: number }>('asked.jsonl');
    expect(new Set(asked.map(({ question }) => question)).size).toBe(asked.length);
    expect(new Set(asked.map(({ pid }) => pid)).size).toBe(2);
    const manifest = (await manifestsOf('evaluate')).find(
      ({ settings }) => 'server' in (settings as object),
    )!;
    expect(manifest.metrics['judgements']).toBe(asked.length);
    const job = (await on.machine.store.listKeys('servers/')).find((key) => key.endsWith('/job.json'))!;
    const { submissionId } = (await on.machine.store.getJson(job))!.value as { submissionId: string };
    const api = new RayJobsApi({ address: on.ray.address });
    const ended = await until('the end of the job', async () => {
      const found = await api.find(submissionId);
      return found?.status === 'RUNNING' ? undefined : found;
    });
    expect(ended).toMatchObject({ status: 'SUCCEEDED', driver_exit_code: 0 });
    await on.machine.store.deleteJson(`manifests/evaluate/${manifest.key}.json`);
  });
});

describe('stopping', () => {
  test('a deploy (SIGTERM) of the worker leaves the job at work', async () => {
    const later = await disturbed('sft', async ({ pid }) => {
      await on.machine.stopWorkers();
      expect(on.trainers().map((each) => each.pid)).toContain(pid);
      await on.machine.startWorker();
    });
    expect(later).toEqual([]);
  });

  test('cancelling stores a last checkpoint and ends the job; the next run goes on from it', async () => {
    const later = await disturbed('grpo', async ({ release, handle, attempt }) => {
      await handle.cancel();
      // A fast job would be through before it looks for the request.
      const api = new RayJobsApi({ address: on.ray.address });
      const job = submissionIdOf('grpo', keyOf('grpo'), attempt);
      await until('the job to have seen the request', async () =>
        (await api.log(job))?.includes('"stopping"'),
      );
      await release();
      await complete(handle, 'CANCELLED');
      expect((await on.machine.store.latestCheckpoint(keyOf('grpo')))!.step).toBeGreaterThanOrEqual(3);
      expect(on.trainers()).toEqual([]);
      return begin();
    });
    expect(later.length).toBe(1);
    expect(later[0]).toBeGreaterThanOrEqual(3);
  });
});
