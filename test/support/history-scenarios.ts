/**
 * Runs whose histories are kept, for `test/workflows/replay.test.ts`: each takes workflows along other ways, with
 * activities that answer at once.
 */
import type { Client, WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { RegistryActivities } from '../../activities/registry/interface.js';
import type { StageOutcome } from '../../activities/stage-outcome.js';
import type * as workflows from '../../workflows/index.js';
import * as messages from '../../workflows/messages.js';
import { retrainQuery } from '../../workflows/retrain-messages.js';
import { fakeActivities, fakeRef, untilStopped, type AllActivities } from './fake-activities.js';
import { comparison, fakeRegistry } from './fake-registry.js';
import { until } from './until.js';

type Run = WorkflowHandle;

export interface Scenario {
  /** Also the workflow's id. */
  name: string;
  /** Default: the pipeline. */
  workflow?: keyof typeof workflows;
  input: object;
  /** Children whose histories are kept too, by what follows the parent's id. */
  children?: string[];
  activities?: () => AllActivities & Partial<RegistryActivities>;
  steer?: (run: Run, client: Client) => Promise<unknown>;
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

/** One shard. */
const FEW_PAIRS = { 'distill.pairs': 100, 'distill.shardSize': 100 };
const CHUNK = { set: 'cd'.repeat(32), requests: fakeRef('requests'), count: 5, model: 'm', worstUsd: 0.1 };
const BENCHMARK = {
  ...{ startedBy: 'recorder', benchmark: 'rewardbench', data: ['items.jsonl'] },
  judge: { kind: 'openai', model: 'm' },
};

const adopted = (stage: StageOutcome['stage']): StageOutcome => ({
  ...{ stage, key: stage, reused: true, parents: {}, metrics: {} },
  outputs: Object.fromEntries(
    ['model', 'train', 'test', 'traces'].map((name) => [name, fakeRef(`${stage}-${name}`)]),
  ),
  cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 0 },
});

export const SCENARIOS: Scenario[] = [
  {
    name: 'completed',
    input: { startedBy: 'recorder' },
    children: ['distill', 'sft', 'grpo', 'evaluate'],
  },
  {
    name: 'cascade',
    input: { startedBy: 'recorder', budget: { usd: 5 }, overrides: { 'oracle.cascade': ['world-oracle-b'] } },
    children: ['distill'],
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
  {
    name: 'failed-while-paused',
    input: { startedBy: 'recorder' },
    activities: () => {
      const { activities } = fakeActivities();
      const { trainModel } = activities;
      let failed = false;
      activities.trainModel = async (input) => {
        if (input.stage !== 'sft' || failed) return trainModel(input);
        failed = true;
        await untilStopped(1);
        throw ApplicationFailure.nonRetryable('lost on its way out', 'TrainerLost');
      };
      return activities;
    },
    steer: async (run, client) => {
      await inStage(run, client, 'sft');
      await run.executeUpdate(messages.pauseUpdate, { args: [undefined] });
      await until('the failure', async () => {
        const { stages } = await run.query(messages.progressQuery);
        return stages.some((stage) => stage.name === 'sft' && stage.state === 'failed');
      });
      await run.executeUpdate(messages.resumeUpdate);
      await state(run, 'awaiting-correction');
      await run.executeUpdate(messages.correctUpdate, { args: [{}] });
    },
  },
  {
    name: 'budget-raised',
    input: { startedBy: 'recorder', budget: { usd: 0.15 }, overrides: FEW_PAIRS },
    children: ['distill'],
    activities: () => {
      const { activities } = fakeActivities();
      const { judgeWithOracle } = activities;
      activities.judgeWithOracle = async (input) => {
        const result = await judgeWithOracle(input);
        if ((input.budgetUsd ?? Infinity) >= 0.1) return result;
        return { ...result, asked: 0, agreed: 0, spent: [], budgetReached: true, needUsd: 0.1 };
      };
      return activities;
    },
    steer: async (run) => {
      await state(run, 'awaiting-correction');
      await run.executeUpdate(messages.raiseBudgetUpdate, { args: [{ usd: 100 }] });
    },
  },
  {
    name: 'batches',
    input: {
      startedBy: 'recorder',
      overrides: {
        ...FEW_PAIRS,
        'oracle.mode': 'batch',
        'oracle.batch': { firstPollSeconds: 0.05, lastPollSeconds: 0.05 },
      },
    },
    children: ['distill', `distill/batch-${CHUNK.set.slice(0, 16)}`],
    activities: () => {
      const { activities } = fakeActivities();
      let stored = 0;
      activities.planBatches = async ({ pass }) => ({
        batches: pass === 1 && stored === 0 ? [CHUNK] : [],
        stored,
        left: 0,
      });
      activities.harvestBatch = async () => {
        stored = CHUNK.count;
        return { answered: CHUNK.count, left: 0, spent: [] };
      };
      return activities;
    },
  },
  {
    name: 'self-taught',
    input: {
      startedBy: 'recorder',
      overrides: { ...FEW_PAIRS, 'oracle.provider': 'none', 'distill.rounds': 2 },
    },
    children: ['distill-round-1', 'sft-round-1', 'distill'],
  },
  {
    name: 'cold-start',
    input: { startedBy: 'recorder', recipe: 'rm-r1-deepseek-distilled-7b', data: '/data/pairs.jsonl' },
    children: ['grpo'],
  },
  {
    name: 'on-gpus',
    input: {
      startedBy: 'recorder',
      overrides: {
        ...FEW_PAIRS,
        ...{ engine: 'ray', 'grpo.objective': 'grpo', 'ray.gpusPerNode': 2, 'distill.studentSamples': 4 },
      },
    },
    children: ['distill', 'evaluate'],
  },
  { name: 'reward', workflow: 'reward', input: { startedBy: 'recorder' } },
  {
    name: 'forked',
    input: { startedBy: 'recorder', startFrom: { run: 'earlier', stage: 'grpo' } },
    children: ['grpo'],
    activities: () => {
      const names = ['dataset', 'base', 'distill', 'sft'] as const;
      const adoptStages = async () => Object.fromEntries(names.map((name) => [name, adopted(name)]));
      return { ...fakeActivities().activities, adoptStages };
    },
  },
  {
    name: 'benchmark',
    workflow: 'evaluate',
    input: BENCHMARK,
    activities: () => {
      const { activities } = fakeActivities();
      const { judgeItems } = activities;
      let times = 0;
      activities.judgeItems = async (input) => {
        const result = await judgeItems(input);
        if (input.from === 0) return result;
        times += 1;
        // First it works until it is paused, then its key is refused, and then all is well.
        if (times === 1) await untilStopped(1);
        if (times === 1) return { ...result, status: 'stopped', judged: 700, sections: {} };
        if (times === 2) throw ApplicationFailure.nonRetryable('The key was refused.', 'JudgeCredentials');
        return result;
      };
      return activities;
    },
    steer: async (run) => {
      await until('the first shard', async () => {
        const { stages } = await run.query(messages.progressQuery);
        return (stages[0]?.figures?.step ?? 0) >= 2_000;
      });
      await run.executeUpdate(messages.pauseUpdate, { args: [undefined] });
      await run.executeUpdate(messages.resumeUpdate);
      await state(run, 'awaiting-correction');
      await run.executeUpdate(messages.correctUpdate, { args: [{}] });
    },
  },
  {
    name: 'benchmark-served',
    workflow: 'evaluate',
    input: { ...BENCHMARK, judge: { kind: 'vllm', model: fakeRef('judge', 'model'), gpus: 2 } },
  },
  {
    name: 'retrained',
    workflow: 'retrain',
    input: { startedBy: 'recorder', watch: 'datasets/helpful/', promote: 'ask', overrides: FEW_PAIRS },
    children: ['train'],
    activities: () => ({
      ...fakeActivities().activities,
      ...fakeRegistry({ compareJudges: async () => comparison(1, 1) }).activities,
    }),
    steer: async (run) => {
      await until('the question', async () => (await run.query(retrainQuery)).state === 'awaiting-approval');
      await run.executeUpdate(messages.approveUpdate, { args: [undefined] });
    },
  },
];
