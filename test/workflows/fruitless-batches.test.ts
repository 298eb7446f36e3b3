/** An oracle whose batches come back empty must not be asked for ever, nor cost the run what it has. */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { temporalConfig } from '../../temporal.config.js';
import { correctUpdate, progressQuery } from '../../workflows/messages.js';
import type { trainRewardModel } from '../../workflows/train-reward-model.js';
import { fakeActivities, fakeRef } from '../support/fake-activities.js';
import { until } from '../support/until.js';
import { startEnvironment, withWorkers } from '../support/workflow-environment.js';

const CHUNK = { set: 'cd'.repeat(32), requests: fakeRef('requests'), count: 5, model: 'm', worstUsd: 0.1 };

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startEnvironment();
}, 60_000);
afterAll(() => environment?.teardown());

test.each([100, 0])(
  'after three batches without an answer the run waits, and `correct {}` asks again (cache %i)',
  async (cache) => {
    const { activities } = fakeActivities();
    let answers = false;
    let asked = 0;
    let stored = 0;
    activities.planBatches = async ({ pass }) => ({
      batches: pass === 1 && stored === 0 ? [CHUNK] : [],
      stored,
      left: 0,
    });
    activities.harvestBatch = async () => {
      asked += 1;
      if (answers) stored = CHUNK.count;
      return { answered: stored, left: CHUNK.count - stored, spent: [] };
    };
    await withWorkers(environment, activities, cache, async () => {
      const handle = await environment.client.workflow.start<typeof trainRewardModel>('trainRewardModel', {
        taskQueue: temporalConfig.taskQueues.orchestration,
        workflowId: `fruitless-${cache}`,
        args: [
          {
            overrides: {
              'oracle.mode': 'batch',
              'oracle.batch': { firstPollSeconds: 0.05, lastPollSeconds: 0.05 },
            },
          },
        ],
      });
      const problem = await until('the run to wait', async () => {
        const progress = await handle.query(progressQuery);
        return progress.state === 'awaiting-correction' && progress.problem;
      });
      expect(problem).toMatchObject({ stage: 'distill', type: 'OracleUnreachable' });
      expect(problem.message).toContain("Check the provider's status");
      expect(asked).toBe(3);
      answers = true;
      await handle.executeUpdate(correctUpdate, { args: [{}] });
      expect((await handle.result()).state).toBe('completed');
      expect(asked).toBe(4);
    });
  },
);
