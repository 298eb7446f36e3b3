/** The shape of a distillation's histories: their length, and who is asked in which order. */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { temporalConfig } from '../../temporal.config.js';
import { ledgerQuery, pauseUpdate, resumeUpdate } from '../../workflows/messages.js';
import { fakeActivities, fakeRef } from '../support/fake-activities.js';
import { until } from '../support/until.js';
import { startEnvironment, withWorkers } from '../support/workflow-environment.js';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startEnvironment();
});
afterAll(() => environment?.teardown());

test('distilling 100,000 pairs in two passes stays below 2,000 events, three shards at a time, all in one ledger', async () => {
  const { activities } = fakeActivities({}, 100);
  let running = 0;
  let most = 0;
  const plain = activities.judgeWithOracle;
  activities.judgeWithOracle = async (input) => {
    most = Math.max(most, ++running);
    const result = await plain(input);
    running -= 1;
    return result;
  };
  await withWorkers(environment, activities, 100, async () => {
    const handle = await environment.client.workflow.start('distill', {
      taskQueue: temporalConfig.taskQueues.orchestration,
      workflowId: 'distill-100000',
      args: [
        {
          artifacts: { pairs: fakeRef('pairs') },
          overrides: { 'distill.pairs': 100_000 },
          budget: { usd: 1000 },
        },
      ],
    });
    await handle.result();
    const { events } = await handle.fetchHistory();
    expect(events!.length).toBeLessThan(2000);
    const ledger = await handle.query(ledgerQuery);
    expect(ledger).toMatchObject({ calls: 200, reservedUsd: 0, capUsd: 1000 });
    expect(ledger.entries.map(({ pass, calls }) => [pass, calls])).toEqual([
      [1, 100],
      [2, 100],
    ]);
  });
  expect(most).toBeLessThanOrEqual(3);
});

test('a cascade goes from model to model, each with what the one before left, and ends in one set of traces', async () => {
  const { activities } = fakeActivities();
  const asked: unknown[] = [];
  const plain = activities.judgeWithOracle;
  activities.judgeWithOracle = async (input) => {
    const result = await plain(input);
    const answers = fakeRef(`answers-${asked.length}`);
    asked.push([input.pass, input.oracle.model, input.firstPass?.uri]);
    return { ...result, answers };
  };
  let firstPass: string[] | undefined;
  const filter = activities.filterTraces;
  activities.filterTraces = (input) => {
    firstPass = input.shards?.[0]?.firstPass.map(({ uri }) => uri);
    return filter(input);
  };
  await withWorkers(environment, activities, 100, async () => {
    await environment.client.workflow.execute('distill', {
      taskQueue: temporalConfig.taskQueues.orchestration,
      workflowId: 'distill-cascade',
      args: [
        {
          artifacts: { pairs: fakeRef('pairs') },
          overrides: { 'distill.pairs': 100, 'oracle.cascade': ['small', 'middling'] },
        },
      ],
    });
  });
  const of = (index: number) => fakeRef(`answers-${index}`).uri;
  expect(asked).toEqual([
    [1, 'small', undefined],
    [1, 'middling', of(0)],
    [1, 'world-oracle-a', of(1)],
    [2, 'world-oracle-a', of(2)],
  ]);
  expect(firstPass).toEqual([of(0), of(1), of(2)]);
});

test('a student judges first: the oracle hears of what it got wrong, and without a model to draw from nothing begins', async () => {
  const { activities } = fakeActivities();
  const asked: unknown[] = [];
  const plain = activities.judgeWithOracle;
  activities.judgeWithOracle = (input) => {
    asked.push([input.pass, input.oracle.model, input.firstPass?.uri]);
    return plain(input);
  };
  const sampled: unknown[] = [];
  const sample = activities.sampleStudent;
  activities.sampleStudent = async (input) => {
    sampled.push([input.model.uri, input.pairs.uri]);
    // Preempted once: a pause of the engine costs no question.
    return sampled.length === 1 ? { status: 'preempted', step: 0 } : sample(input);
  };
  const distil = (workflowId: string, student: boolean) =>
    environment.client.workflow.execute('distill', {
      taskQueue: temporalConfig.taskQueues.orchestration,
      workflowId,
      args: [
        {
          artifacts: { pairs: fakeRef('pairs'), ...(student ? { student: fakeRef('champion') } : {}) },
          overrides: { 'distill.pairs': 100, 'distill.studentSamples': 4 },
        },
      ],
    });
  await withWorkers(environment, activities, 100, async () => {
    await distil('distill-student', true);
    await expect(distil('distill-nobody', false)).rejects.toMatchObject({
      cause: { message: expect.stringMatching(/studentSamples: there is no model/) as string },
    });
  });
  const turn = [fakeRef('champion').uri, fakeRef('shard-0').uri];
  expect(sampled).toEqual([turn, turn]);
  expect(asked).toEqual([
    [1, 'world-oracle-a', fakeRef('samples-of-student').uri],
    [2, 'world-oracle-a', fakeRef('answers-0').uri],
  ]);
});

const CHUNK = { set: 'ab'.repeat(32), requests: fakeRef('requests'), count: 5, model: 'm', worstUsd: 0.1 };

test('a pause leaves a batch at the provider; resumed, the run waits for the same one', async () => {
  const { activities } = fakeActivities();
  let submitted = 0;
  let ended = false;
  let planned = 0;
  const { submitBatch } = activities;
  activities.submitBatch = (input) => {
    submitted += 1;
    return submitBatch(input);
  };
  activities.pollBatch = async () => ({ state: ended ? 'ended' : 'working', done: 0, total: CHUNK.count });
  activities.planBatches = async ({ pass }) => {
    planned += 1;
    return { batches: pass === 1 && !(ended && planned > 1) ? [CHUNK] : [], stored: 0, left: 0 };
  };
  await withWorkers(environment, activities, 100, async () => {
    const { workflow } = environment.client;
    const handle = await workflow.start('distill', {
      taskQueue: temporalConfig.taskQueues.orchestration,
      workflowId: 'distill-paused',
      args: [
        {
          artifacts: { pairs: fakeRef('pairs') },
          overrides: {
            'distill.pairs': 5,
            'oracle.mode': 'batch',
            'oracle.batch': { firstPollSeconds: 0.2, lastPollSeconds: 0.2 },
          },
        },
      ],
    });
    const batch = workflow.getHandle(`distill-paused/batch-${CHUNK.set.slice(0, 16)}`);
    const running = () => batch.describe().then(({ status }) => status.name === 'RUNNING');
    await until('the batch to be submitted', () => submitted > 0);
    expect(await handle.executeUpdate(pauseUpdate, { args: [{}] })).toBe('paused');
    expect(await running()).toBe(true);
    expect(await handle.executeUpdate(resumeUpdate)).toBe('running');
    await until('another plan', () => planned > 1);
    expect(await running()).toBe(true);
    ended = true;
    await handle.result();
  });
  expect(submitted).toBe(1);
});
