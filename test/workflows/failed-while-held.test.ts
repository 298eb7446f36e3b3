/** A stage that fails while its run is paused: the history replays, and the run goes on when it is resumed. */
import { ApplicationFailure } from '@temporalio/activity';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { temporalConfig } from '../../temporal.config.js';
import { correctUpdate, pauseUpdate, progressQuery, resumeUpdate } from '../../workflows/messages.js';
import type { trainRewardModel } from '../../workflows/train-reward-model.js';
import { fakeActivities, untilStopped } from '../support/fake-activities.js';
import { until } from '../support/until.js';
import { startEnvironment, withWorkers, workflowBundle } from '../support/workflow-environment.js';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startEnvironment();
}, 60_000);
afterAll(() => environment?.teardown());

test.each([100, 0])('it waits for a correction after the resume (cache %i)', async (cache) => {
  const { activities } = fakeActivities();
  const plain = activities.trainModel;
  let tries = 0;
  activities.trainModel = async (input) => {
    if (input.stage !== 'sft' || ++tries > 1) return plain(input);
    await untilStopped(1);
    throw ApplicationFailure.nonRetryable('lost on its way out', 'TrainerLost');
  };
  await withWorkers(environment, activities, cache, async () => {
    const { workflow } = environment.client;
    const handle = await workflow.start<typeof trainRewardModel>('trainRewardModel', {
      taskQueue: temporalConfig.taskQueues.orchestration,
      workflowId: `failed-while-held-${cache}`,
      args: [{}],
    });
    await until('the trainer', () => tries > 0);
    await handle.executeUpdate(pauseUpdate, { args: [undefined] });
    const state = async () => (await handle.query(progressQuery)).state;
    await until('the failure', async () => {
      const { stages } = await handle.query(progressQuery);
      return stages.some((stage) => stage.name === 'sft' && stage.state === 'failed');
    });
    expect(await state()).toBe('paused');
    await handle.executeUpdate(resumeUpdate);
    await until('the run to wait', async () => (await state()) === 'awaiting-correction');
    await handle.executeUpdate(correctUpdate, { args: [{}] });
    expect((await handle.result()).state).toBe('completed');
    const history = await handle.fetchHistory();
    await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history, handle.workflowId);
  });
});
