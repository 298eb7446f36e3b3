/**
 * Histories of runs as the server keeps them, for `test/workflows/replay.test.ts`: a change of a workflow that would
 * break runs under way fails to replay them. `test/histories/README.md` says when and how to record them again.
 */
import type { Client, WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporalConfig } from '../../temporal.config.js';
import type { trainRewardModel } from '../../workflows/train-reward-model.js';
import * as messages from '../../workflows/messages.js';
import { fakeActivities, untilStopped, type AllActivities } from './fake-activities.js';
import { until } from './until.js';
import { withWorkers } from './workflow-environment.js';

type Run = WorkflowHandle<typeof trainRewardModel>;

interface Scenario {
  /** Also the workflow's id. */
  name: string;
  input: unknown;
  /** Children whose histories are kept too. */
  children: string[];
  activities: () => AllActivities;
  steer: (run: Run, client: Client) => Promise<void>;
}

const state = (run: Run, wanted: messages.RunState) =>
  until(`${run.workflowId} to be ${wanted}`, async () => {
    const progress = await run.query(messages.progressQuery);
    return progress.state === wanted ? progress : undefined;
  });

/** Activities whose trainer of `stage` works until it is stopped, the first time. */
function stoppable(stage: string): AllActivities {
  const { activities } = fakeActivities();
  const original = { ...activities };
  let stopped = false;
  activities.trainModel = (input) => {
    if (input.stage !== stage || stopped) return original.trainModel(input);
    stopped = true;
    return untilStopped(3);
  };
  return activities;
}

const inStage = (run: Run, client: Client, stage: string) =>
  until(`the trainer of ${stage}`, async () => {
    const progress = await run.query(messages.progressQuery);
    const found = progress.stages.find(({ name }) => name === stage);
    if (found?.state !== 'running') return false;
    const { raw } = await client.workflow.getHandle(found.workflowId ?? run.workflowId).describe();
    return raw.pendingActivities?.some(({ activityType }) => activityType?.name === 'trainModel');
  });

const SCENARIOS: Scenario[] = [
  {
    name: 'completed',
    input: { startedBy: 'recorder' },
    children: ['distill', 'sft', 'grpo', 'evaluate'],
    activities: () => fakeActivities().activities,
    steer: async () => undefined,
  },
  {
    name: 'cascade',
    input: { startedBy: 'recorder', budget: { usd: 5 }, overrides: { 'oracle.cascade': ['world-oracle-b'] } },
    children: ['distill'],
    activities: () => fakeActivities().activities,
    steer: async () => undefined,
  },
  {
    name: 'paused-and-resumed',
    input: { startedBy: 'recorder' },
    children: ['grpo'],
    activities: () => stoppable('grpo'),
    steer: async (run, client) => {
      await inStage(run, client, 'grpo');
      await run.signal(messages.stageFiguresSignal, {
        stage: 'grpo',
        figures: { step: 3, total: 60, reward: 0.5 },
      });
      await run.executeUpdate(messages.pauseUpdate, { args: [{ reason: 'the cores are needed' }] });
      await run.executeUpdate(messages.resumeUpdate);
    },
  },
  {
    name: 'corrected',
    input: { startedBy: 'recorder', overrides: { 'grpo.learningRate': 1 } },
    children: ['grpo'],
    activities: () => {
      const { activities } = fakeActivities();
      const original = { ...activities };
      activities.trainModel = async (input) => {
        if (input.stage === 'grpo' && input.recipe.grpo.learningRate > 0.1)
          throw ApplicationFailure.nonRetryable('the loss is not a number', 'TrainerRefused');
        return original.trainModel(input);
      };
      return activities;
    },
    steer: async (run) => {
      await state(run, 'awaiting-correction');
      const overrides = { 'grpo.learningRate': 1e-5 };
      await run.executeUpdate(messages.correctUpdate, { args: [{ overrides }] });
    },
  },
  {
    name: 'approved-then-rejected',
    input: { startedBy: 'recorder', gates: ['base', 'sft'] },
    children: [],
    activities: () => fakeActivities().activities,
    steer: async (run) => {
      await state(run, 'awaiting-approval');
      await run.executeUpdate(messages.approveUpdate, { args: [undefined] });
      await until('the second gate', async () => {
        const progress = await run.query(messages.progressQuery);
        return progress.state === 'awaiting-approval' && progress.stage === 'sft';
      });
      await run.executeUpdate(messages.rejectUpdate, { args: [{ reason: 'an example' }] });
    },
  },
  {
    name: 'cancelled',
    input: { startedBy: 'recorder' },
    children: ['sft'],
    activities: () => stoppable('sft'),
    steer: async (run, client) => {
      await inStage(run, client, 'sft');
      await run.cancel();
    },
  },
];

/** Run every scenario on `environment` and write `<name>.json` and `<name>.<child>.json` into `dir`. */
export async function recordHistories(environment: TestWorkflowEnvironment, dir: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const { name, input, children, activities, steer } of SCENARIOS) {
    await withWorkers(environment, activities(), 100, async () => {
      const run: Run = await environment.client.workflow.start('trainRewardModel', {
        taskQueue: temporalConfig.taskQueues.orchestration,
        workflowId: name,
        args: [input],
      });
      await steer(run, environment.client);
      // How it ended is in the history.
      await run.result().catch(() => undefined);
      await save(run, join(dir, `${name}.json`));
      for (const child of children) {
        const handle = environment.client.workflow.getHandle(`${name}/${child}`);
        await save(handle, join(dir, `${name}.${child}.json`));
      }
    });
  }
}

async function save(handle: WorkflowHandle, file: string): Promise<void> {
  const history = JSON.parse(historyToJSON(await handle.fetchHistory())) as unknown;
  await writeFile(file, `${JSON.stringify(anonymous(history))}\n`);
}

/** Without what tells about the machine it was recorded on: worker identities, queue names made of them, stacks. */
function anonymous(value: unknown, field = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => anonymous(item, field));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([name]) => name !== 'stackTrace')
        .map(([name, content]) => [name, anonymous(content, name)]),
    );
  }
  if (typeof value !== 'string') return value;
  if (field === 'identity') return 'recorder';
  return value.replace(/^\d+@.*$/, 'recorder');
}
