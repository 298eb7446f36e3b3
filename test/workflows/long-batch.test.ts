/** A batch that is looked at every minute for days: no history grows without bound, and it is submitted once. */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { loadRecipe } from '../../recipes/load.js';
import { temporalConfig } from '../../temporal.config.js';
import type { oracleBatch } from '../../workflows/oracle-batch.js';
import { fakeActivities, fakeRef } from '../support/fake-activities.js';
import { startTimeSkipping, withWorkers } from '../support/workflow-environment.js';

const LOOKS = 160;

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startTimeSkipping();
});
afterAll(() => environment?.teardown());

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
  const chunk = { set: 'ab'.repeat(32), requests: fakeRef('requests'), count: 5, model: 'm', worstUsd: 0.1 };
  const { oracle } = loadRecipe('quickstart', {
    'oracle.mode': 'batch',
    'oracle.batch': { firstPollSeconds: 60, lastPollSeconds: 60 },
  });
  await withWorkers(environment, activities, 100, async () => {
    const began = await environment.currentTimeMs();
    const handle = await environment.client.workflow.start<typeof oracleBatch>('oracleBatch', {
      taskQueue: temporalConfig.taskQueues.orchestration,
      workflowId: 'long-batch',
      args: [
        {
          context: { runId: 'r', startedBy: 'test', notify: [] },
          oracle,
          pass: 1,
          chunk,
          heartbeatSeconds: 5,
        },
      ],
    });
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
