/** Without an oracle: rounds of judging and fine-tuning, each a stage with its own workflow, and nobody is asked. */
import { randomUUID } from 'node:crypto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporalConfig } from '../../temporal.config.js';
import type { trainRewardModel } from '../../workflows/index.js';
import * as messages from '../../workflows/messages.js';
import { fakeActivities, fakeRef } from '../support/fake-activities.js';
import { until } from '../support/until.js';
import { startEnvironment, withWorkers, workflowBundle } from '../support/workflow-environment.js';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startEnvironment();
});
afterAll(() => environment?.teardown());

describe.each([
  ['cached', 100],
  ['replayed at every task', 0],
])('a run without an oracle, %s', (_mode, cache) => {
  test('fine-tunes the base on what its last student got right, round after round', async () => {
    const { calls, activities } = fakeActivities();
    const students: string[] = [];
    const sample = activities.sampleStudent;
    activities.sampleStudent = async (input) => {
      students.push(input.model.uri);
      return sample(input);
    };
    const trained: [string, string | undefined][] = [];
    const train = activities.trainModel;
    activities.trainModel = async (input) => {
      if (input.stage === 'sft') trained.push([input.model!.uri, input.data?.uri]);
      const result = await train(input);
      if (input.stage !== 'sft' || result.status !== 'done') return result;
      const model = fakeRef(`student-${trained.length}`);
      return { ...result, outcome: { ...result.outcome, outputs: { ...result.outcome.outputs, model } } };
    };
    await withWorkers(environment, activities, cache, async () => {
      const handle = await environment.client.workflow.start<typeof trainRewardModel>('trainRewardModel', {
        taskQueue: temporalConfig.taskQueues.orchestration,
        workflowId: `self-taught-${randomUUID()}`,
        args: [
          {
            budget: { usd: 1 },
            gates: ['sft'],
            overrides: {
              'oracle.provider': 'none',
              'distill.pairs': 100,
              'distill.shardSize': 100,
              'distill.rounds': 3,
            },
          },
        ],
      });
      await until('the gate', async () => {
        const { state } = await handle.query(messages.progressQuery);
        if (state !== 'awaiting-approval') expect(state).toBe('running');
        return state === 'awaiting-approval';
      });
      // The gate stands behind the stage, not behind each of its rounds.
      expect(trained).toHaveLength(3);
      await handle.executeUpdate(messages.approveUpdate, { args: [undefined] });
      expect(await handle.result()).toMatchObject({ state: 'completed', costUsd: 0 });

      const base = fakeRef('base-model').uri;
      expect(students).toEqual([base, fakeRef('student-1').uri, fakeRef('student-2').uri]);
      expect(trained.map(([from]) => from)).toEqual([base, base, base]);
      expect(calls).not.toContain('judgeWithOracle');

      const { stages } = await handle.query(messages.progressQuery);
      expect(stages.map(({ name }) => name)).toHaveLength(7);
      for (const name of ['distill', 'sft']) {
        expect(stages.find((stage) => stage.name === name)).toMatchObject({
          state: 'done',
          round: 3,
          rounds: 3,
          workflowId: `${handle.workflowId}/${name}`,
        });
        const first = environment.client.workflow.getHandle(`${handle.workflowId}/${name}-round-1`);
        expect((await first.describe()).status.name).toBe('COMPLETED');
      }
      const { stages: made } = await handle.query(messages.lineageQuery);
      expect(made.map(({ stage }) => stage).join(' ')).toBe(
        'dataset base distill sft distill sft distill sft grpo evaluate report',
      );
      const history = await handle.fetchHistory();
      await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history, handle.workflowId);
    });
  });

  test('takes traces over from another run as they are, without rounds before them', async () => {
    const { calls, activities } = fakeActivities();
    const done = (stage: 'dataset' | 'base' | 'distill') => ({
      stage,
      key: stage,
      reused: true,
      parents: {},
      metrics: {},
      outputs: { model: fakeRef('m'), train: fakeRef('t'), test: fakeRef('s'), traces: fakeRef('r') },
      cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 0 },
    });
    const adopting = {
      ...activities,
      adoptStages: async () => ({
        dataset: done('dataset'),
        base: done('base'),
        distill: done('distill'),
      }),
    };
    await withWorkers(environment, adopting, cache, async () => {
      const handle = await environment.client.workflow.start<typeof trainRewardModel>('trainRewardModel', {
        taskQueue: temporalConfig.taskQueues.orchestration,
        workflowId: `self-taught-${randomUUID()}`,
        args: [{ overrides: { 'oracle.provider': 'none' }, startFrom: { run: 'earlier', stage: 'sft' } }],
      });
      expect((await handle.result()).state).toBe('completed');
      expect(calls.filter((call) => call.startsWith('train:'))).toEqual(['train:sft', 'train:grpo']);
      expect(calls).not.toContain('sampleStudent');
    });
  });
});
