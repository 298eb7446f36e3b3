/**
 * Batches over days: no history grows without bound, each is submitted once, and a provider that stays away is given up.
 */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadRecipe } from '../../recipes/load.js';
import { temporalConfig } from '../../temporal.config.js';
import type { oracleBatch, OracleBatchInput } from '../../workflows/oracle-batch.js';
import { fakeActivities, fakeRef } from '../support/fake-activities.js';
import { startTimeSkipping, withWorkers } from '../support/workflow-environment.js';

const LOOKS = 160;
const HOUR = 3600_000;
const CHUNK = { set: 'ab'.repeat(32), requests: fakeRef('requests'), count: 5, model: 'm', worstUsd: 0.1 };

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startTimeSkipping();
});
afterAll(() => environment?.teardown());

function startBatch(workflowId: string, pollSeconds: number) {
  const { oracle } = loadRecipe('quickstart', {
    'oracle.mode': 'batch',
    'oracle.batch': { firstPollSeconds: pollSeconds, lastPollSeconds: pollSeconds },
  });
  const context = { runId: 'r', startedBy: 'test', notify: [] };
  const input: OracleBatchInput = { context, oracle, pass: 1, chunk: CHUNK, heartbeatSeconds: 5 };
  return environment.client.workflow.start<typeof oracleBatch>('oracleBatch', {
    taskQueue: temporalConfig.taskQueues.orchestration,
    workflowId,
    args: [input],
  });
}

test('goes on in a new execution when its history has grown long', async () => {
  const { activities } = fakeActivities();
  const submissions: string[] = [];
  // As the real one: a batch that is on record is found, not sent again.
  activities.submitBatch = async ({ chunk }) => {
    submissions.push(chunk.set);
    return { batchId: `batch_${new Set(submissions).size}` };
  };
  let looks = 0;
  activities.pollBatch = async () => ({ state: ++looks === LOOKS ? 'ended' : 'working', done: 0, total: 5 });
  await withWorkers(environment, activities, 100, async () => {
    const began = await environment.currentTimeMs();
    const handle = await startBatch('long-batch', 60);
    expect(await handle.result()).toMatchObject({ answered: 5, left: 0 });
    expect((await environment.currentTimeMs()) - began).toBeGreaterThanOrEqual(LOOKS * 60_000);
    const { events } = await handle.fetchHistory();
    expect(events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId).toBeTruthy();
    expect(events?.length).toBeLessThan(1_600);
  });
  expect(looks).toBe(LOOKS);
  // Asked for once by every execution, and the same batch each time.
  expect(submissions.length).toBeGreaterThan(1);
  expect(new Set(submissions).size).toBe(1);
}, 240_000);

test('a provider that stays away is given up after 36 h, in however many executions; once it is back, the batch is brought in', async () => {
  const { activities } = fakeActivities();
  let away = true;
  activities.pollBatch = async () => {
    if (away)
      throw ApplicationFailure.create({ type: 'OracleUnreachable', message: 'no route', nonRetryable: true });
    return { state: 'ended', done: 5, total: 5 };
  };
  await withWorkers(environment, activities, 100, async () => {
    const handle = await startBatch('given-up', 800);
    await expect(handle.result()).rejects.toMatchObject({ cause: { cause: { type: 'OracleUnreachable' } } });
    const { workflow } = environment.client;
    const { startTime } = await workflow.getHandle('given-up', handle.firstExecutionRunId).describe();
    const { closeTime } = await workflow.getHandle('given-up').describe();
    const waited = closeTime!.getTime() - startTime.getTime();
    expect([waited > 36 * HOUR, waited < 37 * HOUR], `${waited / HOUR} h`).toEqual([true, true]);
    const { events } = await handle.fetchHistory();
    expect(events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId).toBeTruthy();
    away = false;
    expect(await (await startBatch('given-up', 800)).result()).toMatchObject({ answered: 5, left: 0 });
  });
}, 240_000);
