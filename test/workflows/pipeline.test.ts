/** The orchestration with fake activities on a real server; every test runs cached and with replay of every task. */
import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { WorkflowFailedError } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TracesInput } from '../../activities/interface.js';
import { loadRecipe } from '../../recipes/load.js';
import { temporalConfig } from '../../temporal.config.js';
import type * as workflows from '../../workflows/index.js';
import * as messages from '../../workflows/messages.js';
import { fakeActivities, fakeRef, MOST_SHARDS, untilStopped } from '../support/fake-activities.js';
import { until } from '../support/until.js';
import { startEnvironment, withWorkers, workflowBundle } from '../support/workflow-environment.js';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startEnvironment();
});
afterAll(() => environment?.teardown());

const taskQueue = temporalConfig.taskQueues.orchestration;

function start(
  input: unknown,
  type = 'trainRewardModel',
): Promise<WorkflowHandle<typeof workflows.trainRewardModel>> {
  return environment.client.workflow.start(type, {
    taskQueue,
    workflowId: `${type}-${randomUUID()}`,
    args: [input],
  });
}

function reach(
  handle: WorkflowHandle,
  state: messages.RunState,
  also: (progress: messages.RunProgress) => boolean = () => true,
): Promise<messages.RunProgress> {
  return until(`a run that is ${state}`, async () => {
    const progress = await handle.query(messages.progressQuery);
    return progress.state === state && also(progress) && progress;
  });
}

async function failure(handle: WorkflowHandle): Promise<ApplicationFailure> {
  const error = await handle.result().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WorkflowFailedError);
  return (error as WorkflowFailedError).cause as ApplicationFailure;
}

const STAGES = ['dataset', 'base', 'distill', 'sft', 'grpo', 'evaluate', 'report'];

describe.each([
  ['cached', 100],
  ['replayed at every task', 0],
])('workflows, %s', (_mode, cache) => {
  test('an empty input trains the quickstart recipe through every stage, in order', async () => {
    const { calls, activities } = fakeActivities();
    await withWorkers(environment, activities, cache, async () => {
      const handle = await start({});
      const result = await handle.result();
      expect(result).toMatchObject({
        state: 'completed',
        recipe: 'quickstart',
        metrics: { 'accuracy.grpo': 0.95 },
      });
      expect(result.model?.sha256).toBeDefined();
      expect(result.costUsd).toBeCloseTo(0.1 * 2 * MOST_SHARDS);
      expect(calls.filter((call) => call.startsWith('train:'))).toEqual([
        'train:base',
        'train:sft',
        'train:grpo',
      ]);
      const { stages } = await handle.query(messages.lineageQuery);
      expect(stages.map(({ stage }) => stage)).toEqual(STAGES);
      const progress = await handle.query(messages.progressQuery);
      expect(progress.stages.every(({ state }) => state === 'done')).toBe(true);

      const history = await handle.fetchHistory();
      await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history, handle.workflowId);
      const description = await handle.describe();
      expect(description.typedSearchAttributes.getAll().length).toBeGreaterThanOrEqual(4);
    });
  });

  test('an unknown field fails at once and is named', async () => {
    const { calls, activities } = fakeActivities();
    await withWorkers(environment, activities, cache, async () => {
      const cause = await failure(await start({ recipe: 'quickstart', sfd: 1, budget: { usd: 0 } }));
      expect(cause.type).toBe('InvalidInput');
      expect(cause.message).toMatch(/sfd/);
      expect(cause.message).toMatch(/budget\.usd/);
      expect(calls).toEqual([]);
    });
  });

  test('an unknown recipe fails with the known ones in the message, before anything is spent', async () => {
    const { calls, activities } = fakeActivities();
    await withWorkers(environment, activities, cache, async () => {
      const cause = await failure(await start({ recipe: 'nope' }));
      expect(cause.type).toBe('InvalidInput');
      expect(cause.message).toMatch(/quickstart/);
      expect(calls).toEqual(['planRun']);
    });
  });

  test('bad data fails the run with the message of the activity', async () => {
    const { activities } = fakeActivities({
      prepareDataset: async () => {
        throw ApplicationFailure.nonRetryable('pairs.jsonl: line 7: chosen is missing', 'BadData');
      },
    });
    await withWorkers(environment, activities, cache, async () => {
      const cause = await failure(await start({}));
      expect(cause).toMatchObject({ type: 'BadData', message: 'pairs.jsonl: line 7: chosen is missing' });
    });
  });

  test.each(['base', 'grpo'] as const)(
    'pausing in %s stops the trainer; resuming goes on with it',
    async (paused) => {
      let trained = 0;
      const { activities } = fakeActivities();
      const plain = activities.trainModel;
      let began!: () => void;
      const training = new Promise<void>((resolve) => (began = resolve));
      let ended!: () => void;
      const stopped = new Promise<void>((resolve) => (ended = resolve));
      activities.trainModel = async (input) => {
        if (input.stage !== paused || ++trained > 1) return plain(input);
        began();
        return untilStopped(3).finally(ended);
      };
      await withWorkers(environment, activities, cache, async () => {
        const handle = await start({});
        await training;
        expect(await handle.executeUpdate(messages.pauseUpdate, { args: [undefined] })).toBe('paused');
        // A resume that overtakes the pause on its way to the stage would leave the trainer running.
        await stopped;
        await expect(handle.executeUpdate(messages.pauseUpdate, { args: [undefined] })).rejects.toThrow();
        expect(await handle.executeUpdate(messages.resumeUpdate)).toBe('running');
        expect((await handle.result()).state).toBe('completed');
        expect(trained).toBe(2);
      });
    },
  );

  test('a pause and a resume that reach a stage in the other order leave it running', async () => {
    const { activities } = fakeActivities();
    const plain = activities.trainModel;
    let began!: () => void;
    const training = new Promise<void>((resolve) => (began = resolve));
    let goOn!: () => void;
    const released = new Promise<void>((resolve) => (goOn = resolve));
    activities.trainModel = async (input) => {
      if (input.stage === 'sft') {
        began();
        await released;
      }
      return plain(input);
    };
    await withWorkers(environment, activities, cache, async () => {
      const handle = await start({});
      await training;
      const stage = environment.client.workflow.getHandle(`${handle.workflowId}/sft`);
      await stage.signal(messages.holdSignal, false, 2);
      await stage.signal(messages.holdSignal, true, 1);
      expect((await stage.query(messages.progressQuery)).state).toBe('running');
      await stage.signal(messages.holdSignal, true, 3);
      expect((await stage.query(messages.progressQuery)).state).toBe('paused');
      await stage.signal(messages.holdSignal, false, 4);
      goOn();
      expect((await handle.result()).state).toBe('completed');
    });
  });

  test('a gate waits for approval; a rejection ends the run with a result', async () => {
    const { calls, activities } = fakeActivities();
    await withWorkers(environment, activities, cache, async () => {
      const handle = await start({ gates: ['base', 'sft'] });
      await reach(handle, 'awaiting-approval');
      expect(calls).not.toContain('judgeWithOracle');
      await handle.executeUpdate(messages.approveUpdate, { args: [undefined] });
      await reach(handle, 'awaiting-approval', ({ stage }) => stage === 'sft');
      await handle.executeUpdate(messages.rejectUpdate, { args: [{ reason: 'no' }] });
      expect(await handle.result()).toMatchObject({ state: 'rejected' });
      expect(calls).not.toContain('train:grpo');
    });
  });

  test('a reward model needs dataset and base, and asks no oracle', async () => {
    const { calls, activities } = fakeActivities();
    const plan = activities.planRun;
    const needed: boolean[] = [];
    activities.planRun = (input) => {
      needed.push(input.asksNoOracle !== true);
      return plan(input);
    };
    await withWorkers(environment, activities, cache, async () => {
      const outcome = await (await start({}, 'reward')).result();
      expect(needed).toEqual([false]);
      expect(outcome).toMatchObject({ stage: 'reward', outputs: { model: fakeRef('reward-model') } });
      expect(calls).toEqual(['planRun', 'prepareDataset', 'train:base', 'buildRewardSet', 'train:reward']);
    });
  });

  test('a pause at a gate takes nothing from it: after the resume it still waits for approval', async () => {
    const { activities } = fakeActivities();
    await withWorkers(environment, activities, cache, async () => {
      const handle = await start({ gates: ['base'] });
      await reach(handle, 'awaiting-approval');
      await handle.executeUpdate(messages.pauseUpdate, { args: [undefined] });
      expect((await handle.query(messages.progressQuery)).state).toBe('paused');
      expect(await handle.executeUpdate(messages.resumeUpdate)).toBe('awaiting-approval');
      await handle.executeUpdate(messages.approveUpdate, { args: [undefined] });
      expect((await handle.result()).state).toBe('completed');
    });
  });

  test('a trainer that refuses its setting waits for a correction and goes on with it', async () => {
    const { calls, activities } = fakeActivities();
    const plain = activities.trainModel;
    activities.trainModel = async (input) => {
      if (input.stage === 'grpo' && input.recipe.grpo.learningRate > 1e-4) {
        throw ApplicationFailure.nonRetryable('the loss is not a number', 'TrainerRefused');
      }
      return plain(input);
    };
    await withWorkers(environment, activities, cache, async () => {
      const handle = await start({ overrides: { 'grpo.learningRate': 1 } });
      const { problem } = await reach(handle, 'awaiting-correction');
      expect(problem).toEqual({ stage: 'grpo', type: 'TrainerRefused', message: 'the loss is not a number' });
      await handle.executeUpdate(messages.correctUpdate, { args: [{ overrides: { 'grpo.steps': 'many' } }] });
      await reach(handle, 'awaiting-correction', (progress) => progress.problem?.type === 'InvalidInput');
      await handle.executeUpdate(messages.correctUpdate, {
        args: [{ overrides: { 'grpo.learningRate': 1e-5 } }],
      });
      expect((await handle.result()).state).toBe('completed');
      expect(calls.filter((call) => call === 'train:sft')).toHaveLength(1);
    });
  });

  /** An oracle whose shards cost $0.1 each: one that may spend less asks nothing. */
  function pricedActivities() {
    const fake = fakeActivities();
    const plain = fake.activities.judgeWithOracle;
    fake.activities.judgeWithOracle = async (input) => {
      const result = await plain(input);
      if (!input.onlyStored && (input.budgetUsd ?? Infinity) >= 0.1) return result;
      return { ...result, asked: 0, agreed: 0, spent: [], budgetReached: true, needUsd: 0.1 };
    };
    return fake;
  }

  test.each([
    [
      'correct',
      (handle: WorkflowHandle) =>
        handle.executeUpdate(messages.correctUpdate, { args: [{ budgetUsd: 100 }] }),
    ],
    [
      'raiseBudget',
      (handle: WorkflowHandle) => handle.executeUpdate(messages.raiseBudgetUpdate, { args: [{ usd: 100 }] }),
    ],
  ])('a spent budget waits, never overspent; %s goes on', async (_name, raise) => {
    const { activities } = pricedActivities();
    await withWorkers(environment, activities, cache, async () => {
      const handle = await start({ budget: { usd: 0.35 } });
      const { problem } = await reach(handle, 'awaiting-correction');
      expect(problem).toMatchObject({ stage: 'distill', type: 'BudgetExhausted' });
      expect(problem?.message).toMatch(
        /\$0\.35 is spent: \$0\.3000 paid.*raiseBudget.*continueWithWhatIsThere/,
      );
      const ledger = await handle.query(messages.ledgerQuery);
      expect(ledger).toMatchObject({ capUsd: 0.35, reservedUsd: 0, calls: 3 });
      expect(ledger.spentUsd).toBeCloseTo(0.3, 9);
      await expect(
        handle.executeUpdate(messages.raiseBudgetUpdate, { args: [{ usd: 0.2 }] }),
      ).rejects.toMatchObject({
        cause: { message: expect.stringMatching(/above the present cap of \$0\.35/) as string },
      });
      await raise(handle);
      expect((await handle.result()).state).toBe('completed');
      expect((await handle.query(messages.ledgerQuery)).capUsd).toBe(100);
    });
  });

  test('a shard that its stopping worker hands back is asked for the rest; what it spent stays in the ledger', async () => {
    const { activities, calls } = fakeActivities();
    const plain = activities.judgeWithOracle;
    let handedBack = false;
    const begunBefore: unknown[] = [];
    activities.judgeWithOracle = async (input) => {
      expect(input.handBack).toBe(true);
      if (input.from === 0 && input.offset === 0) begunBefore.push(input.begunBefore);
      const result = await plain(input);
      if (handedBack) return result;
      handedBack = true;
      return { ...result, asked: 1, agreed: 0, wrong: 0, handedBack: true };
    };
    await withWorkers(environment, activities, cache, async () => {
      const handle = await start({ overrides: { 'distill.pairs': 64, 'distill.secondPass': false } });
      expect((await handle.result()).state).toBe('completed');
      const asked = calls.filter((name) => name === 'judgeWithOracle').length;
      expect(asked).toBe(Math.ceil(64 / loadRecipe('quickstart').distill.shardSize) + 1);
      // Another worker may know less than the one that handed it back: it has to look.
      expect(begunBefore).toEqual([undefined, true]);
      expect((await handle.query(messages.ledgerQuery)).spentUsd).toBeCloseTo(0.1 * asked, 9);
    });
  });

  test('a spent budget waits; told to, the run goes on with what it has, and says that it is not the whole', async () => {
    const { activities } = pricedActivities();
    const filtered: TracesInput[] = [];
    const plain = activities.filterTraces;
    activities.filterTraces = async (input) => {
      filtered.push(input);
      return plain(input);
    };
    await withWorkers(environment, activities, cache, async () => {
      const handle = await start({ budget: { usd: 0.35 } });
      await expect(handle.executeUpdate(messages.continueWithWhatIsThereUpdate)).rejects.toThrow();
      await reach(handle, 'awaiting-correction');
      await handle.executeUpdate(messages.continueWithWhatIsThereUpdate);
      expect((await handle.result()).state).toBe('completed');
      expect(filtered).toHaveLength(1);
      expect(filtered[0]).toMatchObject({ partial: true });
    });
  });

  test('cancelling stops the trainer and ends the run as cancelled', async () => {
    const { activities } = fakeActivities();
    const plain = activities.trainModel;
    let stopped = false;
    let began!: () => void;
    const training = new Promise<void>((resolve) => (began = resolve));
    activities.trainModel = async (input) => {
      if (input.stage !== 'sft') return plain(input);
      began();
      const result = await untilStopped(1);
      stopped = true;
      return result;
    };
    await withWorkers(environment, activities, cache, async () => {
      const handle = await start({});
      await training;
      await handle.cancel();
      await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
      expect(stopped).toBe(true);
      expect((await handle.query(messages.progressQuery)).state).toBe('cancelled');
    });
  });

  test('a stage started alone makes what it needs first, and no more', async () => {
    const { calls, activities } = fakeActivities();
    await withWorkers(environment, activities, cache, async () => {
      const outcome = await (await start({}, 'sft')).result();
      expect(outcome).toMatchObject({ stage: 'sft' });
      expect(calls).toContain('filterTraces');
      expect(calls).not.toContain('train:grpo');
    });
  });
});
