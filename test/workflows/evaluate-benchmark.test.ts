/** The workflow of a benchmark evaluation, with activities that answer at once. */
import { ApplicationFailure, Context } from '@temporalio/activity';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporalConfig } from '../../temporal.config.js';
import type * as workflows from '../../workflows/index.js';
import * as messages from '../../workflows/messages.js';
import { fakeActivities, fakeRef } from '../support/fake-activities.js';
import { until } from '../support/until.js';
import { startEnvironment, withWorkers, workflowBundle } from '../support/workflow-environment.js';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startEnvironment();
});
afterAll(() => environment?.teardown());

const INPUT = { benchmark: 'rewardbench', data: ['items.jsonl'], judge: { kind: 'openai', model: 'm' } };

function start(input: unknown): Promise<WorkflowHandle<typeof workflows.evaluate>> {
  return environment.client.workflow.start<typeof workflows.evaluate>('evaluate', {
    taskQueue: temporalConfig.taskQueues.orchestration,
    workflowId: `evaluate-${randomUUID()}`,
    args: [input as never],
  });
}

const progressOf = (handle: WorkflowHandle): Promise<messages.RunProgress> =>
  handle.query(messages.progressQuery);

/** Resolves when the activity is asked to stop. */
async function untilAsked(): Promise<void> {
  const { cancellationSignal } = Context.current();
  const beat = setInterval(() => Context.current().heartbeat(), 100);
  await new Promise<void>((resolve) => {
    if (cancellationSignal.aborted) resolve();
    else cancellationSignal.addEventListener('abort', () => resolve(), { once: true });
  });
  clearInterval(beat);
}

/** Fakes whose second shard works until it is asked to stop, the first time it is started. */
function withLongShard() {
  const fakes = fakeActivities();
  const plain = fakes.activities.judgeItems;
  let began!: () => void;
  const second = new Promise<void>((resolve) => (began = resolve));
  let held = true;
  fakes.activities.judgeItems = async (input) => {
    const result = await plain(input);
    if (input.from !== 2_000 || !held) return result;
    held = false;
    began();
    await untilAsked();
    return { ...result, status: 'stopped', judged: 700, sections: { Chat: { count: 700, right: 350 } } };
  };
  return { ...fakes, second };
}

describe.each([
  ['cached', 100],
  ['replayed at every task', 0],
])('evaluating a benchmark, %s', (_mode, cache) => {
  test('judges shard by shard, hands on what it learned of the endpoint, and scores all of it', async () => {
    const { calls, activities } = fakeActivities();
    const inputs: Parameters<typeof activities.judgeItems>[0][] = [];
    const plain = activities.judgeItems;
    activities.judgeItems = async (input) => {
      inputs.push(input);
      return plain(input);
    };
    await withWorkers(environment, activities, cache, async () => {
      const handle = await start({ ...INPUT, orders: { mode: 'both' } });
      expect(await handle.result()).toMatchObject({ stage: 'evaluate', metrics: { score: 0.75, shards: 3 } });
      expect(calls).toEqual([
        'prepareBenchmark',
        'findBenchmark',
        'judgeItems:0-2000',
        'judgeItems:2000-4000',
        'judgeItems:4000-5000',
        'scoreBenchmark',
        'reportBenchmark',
      ]);
      expect((await handle.result()).outputs['report']).toEqual(fakeRef('page', 'report'));
      expect(inputs.map(({ concurrency }) => concurrency)).toEqual([undefined, 16, 16]);
      expect(inputs[2]!.before).toEqual({ judged: 8_000, right: 6_000, total: 10_000 });
      const { state, stages } = await progressOf(handle);
      expect(state).toBe('completed');
      expect(stages[0]!.figures).toMatchObject({ step: 10_000, total: 10_000, accuracy: 0.75 });
      const { low, high } = stages[0]!.figures!;
      expect(low).toBeCloseTo(0.7414, 3);
      expect(high).toBeCloseTo(0.7584, 3);
      await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, await handle.fetchHistory());
    });
  });

  test('a finished evaluation is found, not made again', async () => {
    const { calls, activities } = fakeActivities({
      findBenchmark: async () => ({
        stage: 'evaluate',
        key: 'k',
        reused: true,
        outputs: {},
        parents: {},
        metrics: { score: 0.9 },
        cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 0 },
      }),
    });
    await withWorkers(environment, activities, cache, async () => {
      expect(await (await start(INPUT)).result()).toMatchObject({ reused: true, metrics: { score: 0.9 } });
      expect(calls).toEqual(['prepareBenchmark']);
    });
  });

  test('a stop scores what was judged, also of the shard that was under way', async () => {
    const { calls, activities, second } = withLongShard();
    let stopped: boolean | undefined;
    const score = activities.scoreBenchmark;
    activities.scoreBenchmark = async (input) => {
      stopped = input.stopped;
      return score(input);
    };
    await withWorkers(environment, activities, cache, async () => {
      const handle = await start(INPUT);
      await second;
      await handle.executeUpdate(messages.stopUpdate);
      expect(await handle.result()).toMatchObject({ metrics: { shards: 2 } });
      expect(stopped).toBe(true);
      expect(calls).not.toContain('judgeItems:4000-5000');
      expect((await progressOf(handle)).stages[0]!.figures).toMatchObject({
        step: 2_700,
        accuracy: 1850 / 2700,
      });
    });
  });

  test('a pause leaves the shard, a resume judges it again, and nothing counts twice', async () => {
    const { calls, activities, second } = withLongShard();
    await withWorkers(environment, activities, cache, async () => {
      const handle = await start(INPUT);
      await second;
      expect(await handle.executeUpdate(messages.pauseUpdate, { args: [undefined] })).toBe('paused');
      expect(await handle.executeUpdate(messages.resumeUpdate)).toBe('running');
      expect(await handle.result()).toMatchObject({ metrics: { shards: 3 } });
      expect(calls.filter((call) => call === 'judgeItems:2000-4000')).toHaveLength(2);
      expect((await progressOf(handle)).stages[0]!.figures).toMatchObject({ step: 5_000 });
    });
  });

  test('an interval that is narrow enough ends it', async () => {
    const { calls, activities } = fakeActivities();
    await withWorkers(environment, activities, cache, async () => {
      await (await start({ ...INPUT, stopAt: 0.025 })).result();
      expect(calls.filter((call) => call.startsWith('judgeItems'))).toEqual(['judgeItems:0-2000']);
    });
  });

  test('each completion budget is an evaluation of its own', async () => {
    const { activities } = fakeActivities();
    const budgets: number[] = [];
    let reported = 0;
    const page = activities.reportBenchmark;
    activities.reportBenchmark = async (input) => {
      reported = input.evaluations.length;
      return page(input);
    };
    const plain = activities.findBenchmark;
    activities.findBenchmark = async (input) => {
      budgets.push(input.sampling.maxTokens);
      return plain(input);
    };
    await withWorkers(environment, activities, cache, async () => {
      const outcome = await (await start({ ...INPUT, budgets: [512, 8192] })).result();
      expect(budgets).toEqual([512, 8192]);
      expect(reported).toBe(2);
      expect(outcome.metrics).toMatchObject({ 'score.512': 0.75, 'score.8192': 0.75 });
      expect(Object.keys(outcome.outputs).sort()).toEqual([
        'report',
        'scores-512',
        'scores-8192',
        'verdicts-512',
        'verdicts-8192',
      ]);
    });
  });

  test('an endpoint that is away for good waits for a person, and goes on where it was', async () => {
    const { calls, activities } = fakeActivities();
    const plain = activities.judgeItems;
    let away = true;
    activities.judgeItems = async (input) => {
      if (input.from === 2_000 && away)
        throw ApplicationFailure.nonRetryable('The key was refused.', 'JudgeCredentials');
      return plain(input);
    };
    await withWorkers(environment, activities, cache, async () => {
      const handle = await start(INPUT);
      const { problem } = await until('the wait', async () => {
        const progress = await progressOf(handle);
        return progress.state === 'awaiting-correction' && progress;
      });
      expect(problem).toEqual({
        stage: 'evaluate',
        type: 'JudgeCredentials',
        message: 'The key was refused.',
      });
      // A pause takes nothing from the wait.
      expect(await handle.executeUpdate(messages.pauseUpdate, { args: [undefined] })).toBe('paused');
      expect(await handle.executeUpdate(messages.resumeUpdate)).toBe('awaiting-correction');
      away = false;
      await handle.executeUpdate(messages.correctUpdate, { args: [{}] });
      expect(await handle.result()).toMatchObject({ metrics: { shards: 3 } });
      expect(calls.filter((call) => call === 'judgeItems:0-2000')).toHaveLength(1);
    });
  });

  test('bad data fails at once with its own sentence', async () => {
    const { activities } = fakeActivities({
      prepareBenchmark: async () => {
        throw ApplicationFailure.nonRetryable('items.jsonl: line 3: subset is missing', 'BadData');
      },
    });
    await withWorkers(environment, activities, cache, async () => {
      const error = await (await start(INPUT)).result().catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(WorkflowFailedError);
      expect((error as WorkflowFailedError).cause).toMatchObject({
        type: 'BadData',
        message: expect.stringContaining('line 3') as string,
      });
    });
  });
});

test('what cannot work is refused with every field named', async () => {
  const { activities } = fakeActivities();
  await withWorkers(environment, activities, 100, async () => {
    const error = await (
      await start({ ...INPUT, votes: 5, judge: { kind: 'openai' }, sead: 1 })
    )
      .result()
      .catch((reason: unknown) => reason);
    const { type, message } = (error as WorkflowFailedError).cause as ApplicationFailure;
    expect(type).toBe('InvalidInput');
    expect(message).toMatch(/judge\.model/);
    expect(message).toMatch(/sead/);
  });
});
