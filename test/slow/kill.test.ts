/**
 * Real kills: trainer, worker, Temporal, S3 and a misbehaving oracle. The recipe, the data and the seed are the same
 * every time, so whatever happens on the way, the bytes at the end must be those of the run that nobody disturbed.
 */
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isRunning } from '../../infra/local/process.js';
import type { Manifest } from '../../activities/artifacts/ref.js';
import { AnswerCache } from '../../activities/oracle/answer-cache.js';
import { TestMachine, type TestOracle } from '../support/machine.js';
import { TINY } from '../support/tiny-recipe.js';
import { until } from '../support/until.js';

type Trained = 'sft' | 'grpo';

/** Keys in every worker's environment that must come out nowhere; no test asks the services they are for. */
const SECRETS = {
  OPENAI_API_KEY: 'planted-openai-7f3a',
  ANTHROPIC_API_KEY: 'planted-anthropic-7f3a',
  RMR1_ORACLE_KEY: 'planted-oracle-7f3a',
  RMR1_JUDGE_API_KEY: 'planted-judge-7f3a',
  HF_TOKEN: 'planted-hub-7f3a',
};

let machine: TestMachine;
/** Manifests of the undisturbed run by stage. */
const reference = new Map<string, Manifest>();
let runs = 0;

beforeAll(async () => {
  machine = await TestMachine.start();
  machine.workerVariables = SECRETS;
  await machine.startWorker();
  await complete(await begin());
  for (const stage of ['distill', 'sft', 'grpo', 'evaluate']) reference.set(stage, await manifestOf(stage));
  await machine.stopWorkers();
}, 300_000);
afterAll(() => machine?.stop());

const input = { overrides: TINY };
const begin = () => machine.start('trainRewardModel', input, `run-${++runs}`);

/** Wait for the end; a run that waits for a correction has failed the test. */
async function complete(handle: WorkflowHandle): Promise<void> {
  await until(
    `the end of ${handle.workflowId}`,
    async () => {
      const progress = await machine.progress(handle.workflowId);
      if (progress?.problem) throw new Error(JSON.stringify(progress.problem));
      const description = await handle.describe().catch(() => undefined);
      if (!description || description.status.name === 'RUNNING') return false;
      expect(description.status.name).toBe('COMPLETED');
      return true;
    },
    240,
  );
}

/** The manifest of the only finished run of a stage. */
async function manifestOf(stage: string): Promise<Manifest> {
  const keys = await machine.store.listKeys(`manifests/${stage}/`);
  expect(keys, `finished runs of ${stage}`).toHaveLength(1);
  return (await machine.store.getJson(keys[0]!))!.value as Manifest;
}

const keyOf = (stage: string): string => reference.get(stage)!.key;

/** Where each attempt of a training stage began: the step of its checkpoint, undefined for the very beginning. */
async function beginnings(stage: Trained): Promise<(number | undefined)[]> {
  const fence = (await machine.store.getJson(`checkpoints/${keyOf(stage)}/fence.json`))!.value as {
    claims: { from: { step: number } | null }[];
  };
  return fence.claims.map(({ from }) => from?.step);
}

/**
 * Train `stage` again while `disturb` does its worst, once a checkpoint lies in the store. The result must be the
 * reference's to the bit, and no attempt may have begun before that checkpoint except the first.
 */
async function disturbed(stage: Trained, disturb: (checkpoint: number) => Promise<void>): Promise<void> {
  await machine.forget(stage);
  await machine.ensureWorker();
  const handle = await begin();
  const checkpoint = await machine.checkpointFrom(keyOf(stage), 1);
  await disturb(checkpoint);
  await complete(handle);

  const manifest = await manifestOf(stage);
  expect(manifest.workflowId).toBe(handle.workflowId);
  expect(manifest.outputs['model']!.sha256).toBe(reference.get(stage)!.outputs['model']!.sha256);
  const [first, ...later] = await beginnings(stage);
  expect(first).toBeUndefined();
  for (const step of later) expect(step).toBeGreaterThanOrEqual(checkpoint);
  // What follows was found, not made again: its inputs are the same bytes.
  expect((await manifestOf('evaluate')).createdAt).toBe(reference.get('evaluate')!.createdAt);
}

describe('the trainer', () => {
  test.each<Trained>(['sft', 'grpo'])('killed (−9) during %s: the same model', async (stage) => {
    await disturbed(stage, async () => {
      const { pid } = await machine.trainer();
      process.kill(pid, 'SIGKILL');
      await machine.trainer(pid);
    });
    expect((await beginnings(stage)).length).toBeGreaterThan(1);
  });
});

describe('the worker', () => {
  test('killed (−9) during grpo: its trainer dies with it, a new worker goes on to the same model', async () => {
    await disturbed('grpo', async () => {
      const trainer = await machine.trainer();
      const worker = machine.killWorker();
      await until('the end of the worker', () => !isRunning(worker), 10);
      await until('the end of its trainer', () => !isRunning(trainer), 10);
      expect(machine.trainers()).toEqual([]);
      await machine.startWorker();
      await machine.trainer();
      expect(machine.trainers()).toHaveLength(1);
    });
    expect((await beginnings('grpo')).length).toBe(2);
  });

  test('frozen for longer than its heartbeat timeout: the zombie cannot write, the model is the same', async () => {
    await disturbed('grpo', async () => {
      const zombie = await machine.ensureWorker();
      process.kill(zombie.pid, 'SIGSTOP');
      try {
        const successor = await machine.startWorker();
        await until('a trainer of the second worker', () =>
          machine.trainers().some(({ parent }) => parent === successor.pid),
        );
      } finally {
        process.kill(zombie.pid, 'SIGCONT');
      }
    });
    expect((await beginnings('grpo')).length).toBe(2);
    await machine.stopWorkers();
  });
});

/** Attempts of every activity of a workflow that was begun more than once. */
async function burntAttempts(workflowId: string): Promise<string[]> {
  const { events } = await machine.client.workflow.getHandle(workflowId).fetchHistory();
  return (events ?? []).flatMap(({ activityTaskStartedEventAttributes: started }) =>
    started && Number(started.attempt) > 1 ? [`event ${Number(started.scheduledEventId)}`] : [],
  );
}

describe('a deploy (SIGTERM)', () => {
  test.each<Trained>(['sft', 'grpo'])(
    'during %s: the trainer saves, no step and no attempt is lost',
    async (stage) => {
      let saved = -1;
      await disturbed(stage, async () => {
        await machine.stopWorkers();
        expect(machine.trainers()).toEqual([]);
        saved = (await machine.store.latestCheckpoint(keyOf(stage)))!.step;
        await machine.startWorker();
      });
      const [, ...later] = await beginnings(stage);
      expect(later).toEqual([saved]);
      expect(await burntAttempts(`run-${runs}/${stage}`)).toEqual([]);
    },
  );
});

describe('the servers', () => {
  test('Temporal killed (−9) during sft: training goes on without it, the run ends after its return', async () => {
    await disturbed('sft', async (checkpoint) => {
      await machine.temporal.kill9();
      await machine.checkpointFrom(keyOf('sft'), checkpoint + 1);
      await machine.temporal.restart();
    });
  });

  test.each<Trained>(['sft', 'grpo'])(
    'S3 killed (−9) during %s: checkpoints wait for its return',
    async (stage) => {
      await disturbed(stage, async () => {
        await machine.s3.kill9();
        await machine.s3.restart();
      });
    },
  );
});

describe('the oracle', () => {
  /** Answers that are stored, whatever segment they lie in. */
  const questions = async () => {
    const headers = await new AnswerCache(machine.store).headers('oracle-answers/');
    return new Set(headers.flatMap(({ answers }) => answers.map(([key]) => key))).size;
  };

  /** Distil again from nothing, asking an oracle of its own. */
  async function distil(args: string[], disturb: (oracle: TestOracle) => Promise<void>) {
    const before = await questions();
    for (const key of await machine.store.listKeys('oracle-answers/')) await machine.store.deleteJson(key);
    await machine.forget('distill');
    await machine.stopWorkers();
    const oracle = await machine.startOracle(args);
    await machine.startWorker({ RMR1_ORACLE_URL: oracle.baseUrl });
    const handle = await begin();
    try {
      await disturb(oracle);
      await complete(handle);
    } finally {
      await machine.stopWorkers();
    }
    expect(await questions()).toBe(before);
    const traces = (await manifestOf('distill')).outputs['traces']!.sha256;
    expect(traces).toBe(reference.get('distill')!.outputs['traces']!.sha256);
    return { stats: await oracle.stats(), questions: before };
  }

  test('refusing, failing, cutting and babbling: every question is answered, and none twice', async () => {
    const faults = ['rate-limit:0.1', 'server-error:0.1', 'cut:0.1', 'malformed:0.1'];
    const { stats, questions } = await distil(
      faults.flatMap((fault) => ['--fault', fault]),
      async () => undefined,
    );
    expect(Object.values(stats.pairs).every((times) => times === 1)).toBe(true);
    expect(stats.answered).toBe(questions);
    expect(Object.keys(stats.faults).sort()).toEqual(['cut', 'malformed', 'rate-limit', 'server-error']);
  });

  test('asked by a worker that is stopped (SIGTERM): no question is asked twice, no attempt is lost', async () => {
    const { stats, questions: wanted } = await distil(['--latency-ms', '500'], async (oracle) => {
      await until('some answers kept', async () => (await questions()) >= 8);
      await machine.stopWorkers();
      const { answered, requests } = await oracle.stats();
      expect(answered).toBe(requests);
      // What was paid for was waited for, and is kept.
      expect(await questions()).toBe(answered);
      await machine.startWorker({ RMR1_ORACLE_URL: oracle.baseUrl });
    });
    expect(stats.answered).toBe(wanted);
    expect(Math.max(...Object.values(stats.pairs))).toBe(1);
    expect(await burntAttempts(`run-${runs}/distill`)).toEqual([]);
  });

  test('asked by a worker that is killed (−9): what was answered and kept is not asked again', async () => {
    let answered = 0;
    let kept = 0;
    const { stats, questions: wanted } = await distil(['--latency-ms', '500'], async (oracle) => {
      await until('some answers kept', async () => (await questions()) >= 8);
      const worker = machine.killWorker();
      await until('the end of the worker', () => !isRunning(worker), 10);
      // Requests that were under way are answered into the void; count when that is over.
      answered = await until('a quiet oracle', async () => {
        const { answered, requests } = await oracle.stats();
        return answered === requests ? answered : undefined;
      });
      kept = await questions();
      await machine.startWorker({ RMR1_ORACLE_URL: oracle.baseUrl });
    });
    expect(kept).toBeLessThan(wanted);
    expect(stats.answered).toBe(answered + (wanted - kept));
    // At most what was under way at the kill is paid twice: in flight, or on its way to the store.
    expect(answered - kept).toBeLessThanOrEqual(32);
    expect(Math.max(...Object.values(stats.pairs))).toBeLessThanOrEqual(2);
  });
});

test('after all of it, no log, history or object holds a secret of the workers', async () => {
  const secrets = [...Object.values(SECRETS), machine.s3.settings.secretAccessKey!];
  const seen = { 'worker runs': 0, trainRewardModel: 0, 'rmr1-directory/1': 0 };
  for await (const { name, text } of machine.leftovers()) {
    for (const secret of secrets) expect(text.includes(secret), `${secret} in ${name}`).toBe(false);
    for (const word of Object.keys(seen) as (keyof typeof seen)[]) if (text.includes(word)) seen[word] += 1;
  }
  // Logs, histories and objects were looked at.
  expect(
    Object.values(seen).every((times) => times > 0),
    JSON.stringify(seen),
  ).toBe(true);
});
