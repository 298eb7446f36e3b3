/** The client and its commands against a real Temporal, with activities that answer at once. */
import { randomUUID } from 'node:crypto';
import { ApplicationFailure, Context } from '@temporalio/activity';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  connect,
  type RewardModelClient,
  type RunHandle,
  type RunState,
  type RunSummary,
} from '../../client/index.js';
import type { StageName } from '../../workflows/inputs.js';
import type { AllActivities } from '../support/fake-activities.js';
import { fakeActivities, untilStopped } from '../support/fake-activities.js';
import { startEnvironment, withWorkers } from '../support/workflow-environment.js';
import { runCli, type CliRun } from './run-cli.js';

let environment: TestWorkflowEnvironment;
let client: RewardModelClient;
let address: string;

beforeAll(async () => {
  environment = await startEnvironment();
  address = environment.address;
  client = await connect({ address, namespace: 'default', uiUrl: 'http://127.0.0.1:8233/' });
});
afterAll(async () => {
  await client?.close();
  await environment?.teardown();
});

const cli = (...args: string[]): Promise<CliRun> =>
  runCli(...args, '--address', address, '--namespace', 'default');
const newId = (): string => `train-test-${randomUUID()}`;
const working = <T>(use: () => Promise<T>, change: Partial<AllActivities> = {}): Promise<T> =>
  withWorkers(environment, fakeActivities(change).activities, 100, use);

async function reach(run: RunHandle, state: RunState, stage?: StageName): Promise<void> {
  for await (const progress of run.watch({ intervalMs: 20 })) {
    if (progress.state === state && (stage === undefined || progress.stage === stage)) return;
  }
  throw new Error(`The run never was ${state}.`);
}

describe('a run', () => {
  it('goes from start to result in the ten lines of the README', async () => {
    await working(async () => {
      const run = await client.train({ seed: 7 }, { workflowId: newId() });
      const states: string[] = [];
      for await (const progress of run.watch({ intervalMs: 20 })) states.push(progress.state);
      const result = await run.result();
      expect(states.at(-1)).toBe('completed');
      expect(result.metrics['accuracy.grpo']).toBe(0.95);
    });
  });

  it('is started once, however often the same input is given', async () => {
    await working(async () => {
      const first = await client.train({ seed: 11, startedBy: 'ann' });
      const again = await client.train({ startedBy: 'bob', seed: 11 });
      expect(again.workflowId).toBe(first.workflowId);
      await first.result();
      const afterwards = await client.train({ seed: 11 });
      expect((await afterwards.status()).status).toBe('COMPLETED');
      expect((await afterwards.result()).workflowId).toBe(first.workflowId);
    });
  });

  it('has a summary, details, memo and search attributes before its first stage', async () => {
    const workflowId = newId();
    const run = await client.train({ seed: 5, overrides: { 'grpo.steps': 3 } }, { workflowId });
    const description = await client.temporal.workflow.getHandle(workflowId).describe();
    expect(await description.staticSummary()).toContain('quickstart');
    expect(await description.staticDetails()).toContain('| overrides | {"grpo.steps":3} |');
    expect(description.memo).toMatchObject({ recipeName: 'quickstart' });
    expect(run.uiUrl).toBe(`http://127.0.0.1:8233/namespaces/default/workflows/${workflowId}`);
    await run.terminate('end of test');
  });

  it('is refused with every wrong field before anything starts', async () => {
    const workflowId = newId();
    const input = { seed: -1, budget: { usd: 0 }, recpe: 'x' } as never;
    const error = await client.train(input, { workflowId }).catch((reason: unknown) => reason as Error);
    expect(error).toMatchObject({ type: 'InvalidInput' });
    expect((error as Error).message).toMatch(/seed.*budget\.usd.*unknown field 'recpe'/);
    await expect(client.run(workflowId).status()).rejects.toMatchObject({ type: 'RunNotFound' });
  });

  it('shows figures of heartbeats that the workflow has not been told', async () => {
    const figures = { step: 3, total: 8, loss: 0.5 };
    const change: Partial<AllActivities> = { trainModel: () => beatUntilStopped({ stage: 'base', figures }) };
    await working(async () => {
      const run = await client.train({}, { workflowId: newId() });
      for await (const progress of run.watch({ intervalMs: 20 })) {
        const base = progress.stages.find(({ name }) => name === 'base');
        if (base?.figures) {
          expect(base.figures).toEqual(figures);
          break;
        }
      }
      await run.cancel();
      await expect(run.result()).rejects.toMatchObject({ type: 'RunCancelled' });
    }, change);
  });
});

describe('commands', () => {
  it('pause, resume and cancel a run', async () => {
    const workflowId = newId();
    const change: Partial<AllActivities> = { trainModel: () => untilStopped(4) };
    await working(async () => {
      const run = await client.train({}, { workflowId });
      await reach(run, 'running', 'base');
      expect(await cli('pause', workflowId, '--json')).toMatchObject({ code: 0 });
      await reach(run, 'paused');
      const twice = await cli('pause', workflowId);
      expect(twice).toMatchObject({ code: 2, err: expect.stringContaining('paused already') as string });
      expect(await cli('resume', workflowId)).toMatchObject({ code: 0 });
      await reach(run, 'running');
      const cancelled = await cli('cancel', workflowId, '--wait', '--json');
      expect(JSON.parse(cancelled.out)).toEqual({ workflowId, status: 'CANCELLED' });
    }, change);
    const watched = await cli('report', workflowId);
    expect(watched).toMatchObject({ code: 1, err: `rmr1: ${workflowId} was cancelled.\n` });
  });

  it('approve and reject at gates, and refuse where no gate waits', async () => {
    await working(async () => {
      const approved = await client.train({ gates: ['base'] }, { workflowId: newId() });
      await reach(approved, 'awaiting-approval');
      expect((await cli('approve', approved.workflowId, '--stage', 'base')).code).toBe(0);
      await approved.result();

      const rejected = await client.train({ gates: ['base'] }, { workflowId: newId() });
      await reach(rejected, 'awaiting-approval');
      expect((await cli('reject', rejected.workflowId, '--reason', 'no')).code).toBe(0);
      expect((await rejected.result()).state).toBe('rejected');
      expect(await cli('watch', rejected.workflowId)).toMatchObject({ code: 1 });
      expect(await cli('approve', approved.workflowId)).toMatchObject({ code: 2, out: '' });
    });
  });

  it('say what a waiting run stumbled over, correct it and watch it end', async () => {
    let asked = 0;
    const judgeWithOracle: AllActivities['judgeWithOracle'] = async (input) => {
      asked += 1;
      if (input.oracle.model !== 'mended') {
        throw ApplicationFailure.nonRetryable(
          'The oracle refused the key: check OPENAI_API_KEY.',
          'OracleCredentials',
        );
      }
      return fakeActivities().activities.judgeWithOracle(input);
    };
    await working(
      async () => {
        const run = await client.train({}, { workflowId: newId() });
        const waiting = await cli('watch', run.workflowId);
        expect(waiting.code).toBe(4);
        expect(waiting.err).toContain('check OPENAI_API_KEY');
        expect(waiting.err).toContain(`rmr1 correct ${run.workflowId}`);
        expect((await cli('correct', run.workflowId, '--set', 'oracle.model=mended')).code).toBe(0);
        expect((await run.result()).state).toBe('completed');
        expect(asked).toBeGreaterThan(1);
      },
      { judgeWithOracle },
    );
  });

  it('fail with the type and the message that the workflow failed with', async () => {
    await working(async () => {
      const run = await client.train({ recipe: 'scrach' }, { workflowId: newId() });
      await expect(run.result()).rejects.toMatchObject({ type: 'InvalidInput' });
      const watched = await cli('watch', run.workflowId);
      expect(watched.code).toBe(2);
      expect(watched.err).toContain("Unknown recipe 'scrach'");
    });
  });

  it('list runs and show where artefacts come from', async () => {
    await working(async () => {
      const run = await client.train({}, { workflowId: newId() });
      await run.result();
      const lineage = JSON.parse((await cli('lineage', run.workflowId, '--json')).out) as {
        stages: unknown[];
      };
      expect(lineage.stages).toHaveLength(7);
      expect((await cli('lineage', run.workflowId)).out).toContain('└─ report');
      // The visibility store lags behind the history.
      let found: { workflowId: string; state?: string; accuracy?: number }[] = [];
      while (!found.some(({ state }) => state === 'completed')) {
        const listed = JSON.parse((await cli('runs', '--json')).out) as typeof found;
        found = listed.filter(({ workflowId }) => workflowId === run.workflowId);
      }
      expect(found[0]).toMatchObject({ accuracy: 0.95, recipe: 'quickstart' });
      expect((await cli('runs', '--state', 'completed')).out).toContain(run.workflowId);
    });
  });

  it('list evaluations beside runs, and not the stages that a run started', async () => {
    await working(async () => {
      const run = await client.train({ seed: 3 }, { workflowId: newId() });
      const evaluation = await client.evaluate({
        benchmark: 'rmb',
        data: ['pairs.jsonl'],
        judge: { kind: 'length' },
      } as never);
      await Promise.all([run.result(), evaluation.result()]);
      const own = new Set([run.workflowId, evaluation.workflowId]);
      let listed: RunSummary[] = [];
      while (
        listed.filter(({ workflowId, state }) => own.has(workflowId) && state === 'completed').length < 2
      )
        listed = await client.runs({ limit: 200 });
      expect(listed.find(({ workflowId }) => workflowId === evaluation.workflowId)).toMatchObject({
        recipe: 'rmb by length',
        accuracy: 0.75,
      });
      const children = listed.filter(({ workflowId }) => workflowId.startsWith(`${run.workflowId}/`));
      expect(children).toEqual([]);
    });
  });

  it('name what is missing: the run, the namespace', async () => {
    expect(await cli('watch', 'no-such-run')).toMatchObject({
      code: 2,
      err: expect.stringContaining("There is no run 'no-such-run'") as string,
    });
    const elsewhere = await runCli('runs', '--address', address, '--namespace', 'nowhere');
    expect(elsewhere).toMatchObject({
      code: 3,
      err: expect.stringContaining("Namespace 'nowhere'") as string,
    });
  });

  it('call a closed run closed rather than wait for it', async () => {
    const workflowId = newId();
    await working(async () => {
      const run = await client.train({}, { workflowId });
      await run.result();
      expect(await cli('cancel', workflowId)).toMatchObject({
        code: 0,
        out: expect.stringContaining('ended already') as string,
      });
      expect(await cli('pause', workflowId)).toMatchObject({ code: 2 });
    });
  });
});

/** Works until cancelled and reports `details` all the while. */
async function beatUntilStopped(details: unknown): Promise<{ status: 'preempted'; step: number }> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(details), 100);
  await new Promise((resolve) =>
    context.cancellationSignal.addEventListener('abort', resolve, { once: true }),
  );
  clearInterval(beat);
  return { status: 'preempted', step: 3 };
}
