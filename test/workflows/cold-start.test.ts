/** A cold start: reinforcement learning from the base itself. Nothing may be asked, paid or fine-tuned on the way. */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TrainInput } from '../../activities/interface.js';
import { temporalConfig } from '../../temporal.config.js';
import { progressQuery, type RunResult } from '../../workflows/messages.js';
import { fakeActivities, fakeRef } from '../support/fake-activities.js';
import { startEnvironment, withWorkers } from '../support/workflow-environment.js';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startEnvironment();
});
afterAll(() => environment?.teardown());

const { orchestration: taskQueue } = temporalConfig.taskQueues;
const input = { recipe: 'rm-r1-deepseek-distilled-7b', data: '/data/pairs.jsonl' };

/** Fakes that remember what each training stage began from. */
function watched() {
  const { activities, calls } = fakeActivities();
  const trained: Pick<TrainInput, 'stage' | 'model'>[] = [];
  const { trainModel } = activities;
  activities.trainModel = (asked) => {
    trained.push({ stage: asked.stage, model: asked.model });
    return trainModel(asked);
  };
  return { activities, calls, trained };
}

test('the pipeline goes from the base to GRPO, and its page has no other stages', async () => {
  const { activities, calls, trained } = watched();
  await withWorkers(environment, activities, 0, async () => {
    const handle = await environment.client.workflow.start('trainRewardModel', {
      taskQueue,
      workflowId: 'cold',
      args: [input],
    });
    const result = (await handle.result()) as RunResult;
    expect(Object.keys(result)).toContain('model');
    const { stages } = await handle.query(progressQuery);
    expect(stages.map(({ name, state }) => `${name} ${state}`)).toEqual(
      ['dataset', 'base', 'grpo', 'evaluate', 'report'].map((name) => `${name} done`),
    );
  });
  expect(trained).toEqual([
    { stage: 'base', model: undefined },
    { stage: 'grpo', model: fakeRef('base-model') },
  ]);
  expect(calls.filter((name) => /splitPairs|judgeWithOracle|filterTraces|buildSftSet/.test(name))).toEqual(
    [],
  );
});

test('GRPO started alone begins from the base too', async () => {
  const { activities, trained } = watched();
  await withWorkers(environment, activities, 100, () =>
    environment.client.workflow.execute('grpo', { taskQueue, workflowId: 'cold-grpo', args: [input] }),
  );
  expect(trained.map(({ stage }) => stage)).toEqual(['base', 'grpo']);
});
