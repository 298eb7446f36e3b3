/** Retraining with fake activities on a real server: when it trains, when it promotes, and what a race does. */
import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/activity';
import { WorkflowFailedError } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RegistryActivities } from '../../activities/registry/interface.js';
import { Schedules } from '../../client/schedules.js';
import { temporalConfig } from '../../temporal.config.js';
import * as messages from '../../workflows/messages.js';
import { retrainQuery, type RetrainInput } from '../../workflows/retrain-messages.js';
import type { retrain } from '../../workflows/retrain.js';
import type { trainRewardModel } from '../../workflows/train-reward-model.js';
import { fakeActivities, fakeRef, type AllActivities } from '../support/fake-activities.js';
import { comparison, fakeRegistry } from '../support/fake-registry.js';
import { until } from '../support/until.js';
import { startEnvironment, withWorkers, workflowBundle } from '../support/workflow-environment.js';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startEnvironment();
});
afterAll(() => environment?.teardown());

const taskQueue = temporalConfig.taskQueues.orchestration;
/** Few shards and one judge: these tests are about what comes before and after the training. */
const SMALL = { overrides: { 'distill.pairs': 64, 'evaluate.stages': ['grpo'] } };
const start = (input: RetrainInput, workflowId = `retrain-${randomUUID()}`) =>
  environment.client.workflow.start<typeof retrain>('retrain', {
    taskQueue,
    workflowId,
    args: [{ ...SMALL, ...input }],
  });

/** Fakes of a pipeline and a registry; `calls` are the pipeline's. */
function fakes(change: Partial<RegistryActivities> = {}, pipeline: Partial<AllActivities> = {}) {
  const { calls, activities } = fakeActivities(pipeline);
  const registry = fakeRegistry(change);
  return { calls, champion: registry.champion, activities: { ...activities, ...registry.activities } };
}

const WATCH = { ...SMALL, watch: 'datasets/helpful/' };

test('a data set of the hub is watched by its commit', async () => {
  const name = 'hub:people/preferences#train';
  const asked: unknown[] = [];
  const { champion, activities } = fakes({
    findNewHubPairs: async ({ watched, seen }) => {
      asked.push({ watched, seen });
      const files = { [name]: 'a'.repeat(40) };
      if (seen[name] === files[name]) return { pairs: 0, newPairs: 0, files };
      return { data: fakeRef('hub-pairs'), pairs: 200, newPairs: 200, files };
    },
  });
  await withWorkers(environment, activities, 100, async () => {
    const watch = { hub: 'people/preferences' };
    expect(await (await start({ watch })).result()).toMatchObject({ state: 'promoted', newPairs: 200 });
    expect(champion.current?.trainedOn).toEqual({ pairs: 200, files: { [name]: 'a'.repeat(40) } });
    const idle = await (await start({ watch })).result();
    expect(idle).toMatchObject({ state: 'kept', newPairs: 0 });
    expect(idle.reason).toContain(`0 new pairs in ${name}; 100 are needed.`);
  });
  const watched = { hub: 'people/preferences', revision: 'main' };
  expect(asked).toEqual([
    { watched, seen: {} },
    { watched, seen: { [name]: 'a'.repeat(40) } },
  ]);
});

test('the first candidate is promoted; fewer new pairs than wanted train nothing', async () => {
  let newPairs = 500;
  const { calls, champion, activities } = fakes({
    findNewPairs: async ({ seen }) => ({
      data: fakeRef('pairs'),
      pairs: 500,
      newPairs: Object.keys(seen).length === 0 ? newPairs : 7,
      files: { 'datasets/a.jsonl': 'v1' },
    }),
  });
  await withWorkers(environment, activities, 0, async () => {
    newPairs = 3;
    const few = await (await start(WATCH)).result();
    expect(few).toMatchObject({ state: 'kept', newPairs: 3 });
    expect(few.reason).toMatch(/3 new pairs .* 100 are needed/);
    expect(calls).toEqual([]);
    newPairs = 500;
    const handle = await start(WATCH);
    expect(await handle.result()).toMatchObject({ state: 'promoted', version: 1 });
    expect(champion.current?.trainedOn).toEqual({ pairs: 500, files: { 'datasets/a.jsonl': 'v1' } });
    expect(await (await start(WATCH)).result()).toMatchObject({
      state: 'kept',
      newPairs: 7,
    });
    const history = await handle.fetchHistory();
    await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history, handle.workflowId);
  });
});

test('a later candidate is promoted where it is better beyond chance, and kept out where it is not', async () => {
  let found = comparison(10, 0.002);
  const { champion, calls, activities } = fakes({ compareJudges: async () => found });
  await withWorkers(environment, activities, 100, async () => {
    await (await start({})).result();
    const better = await (await start({ from: 'champion' })).result();
    expect(better).toMatchObject({ state: 'promoted', version: 2, comparison: { pValue: 0.002 } });
    // It started from the champion: nothing was warmed up.
    expect(calls.filter((call) => call === 'train:base')).toHaveLength(1);
    found = comparison(2, 0.5);
    const chance = await (await start({})).result();
    expect(chance).toMatchObject({ state: 'kept' });
    expect(chance.reason).toMatch(/p = 0\.500/);
    found = comparison(-10, 0.002);
    expect(await (await start({})).result()).toMatchObject({ state: 'kept' });
    expect(champion.history).toHaveLength(2);
  });
});

test('asked for, a person decides about what chance could explain', async () => {
  const { champion, activities } = fakes({ compareJudges: async () => comparison(1, 1) });
  const waiting = (handle: Awaited<ReturnType<typeof start>>) =>
    until('the question', async () => (await handle.query(retrainQuery)).state === 'awaiting-approval');
  await withWorkers(environment, activities, 100, async () => {
    const first = await start({ promote: 'ask' });
    await waiting(first);
    await first.executeUpdate(messages.approveUpdate, { args: [undefined] });
    expect(await first.result()).toMatchObject({ state: 'promoted', version: 1 });
    const second = await start({ promote: 'ask' });
    await waiting(second);
    await second.executeUpdate(messages.rejectUpdate, { args: [undefined] });
    expect(await second.result()).toMatchObject({ state: 'kept' });
    await expect(second.executeUpdate(messages.approveUpdate, { args: [undefined] })).rejects.toThrow();
    expect(await (await start({ promote: 'never' })).result()).toMatchObject({ state: 'kept' });
    expect(champion.history).toHaveLength(1);
  });
});

test('two retrainings race: one wins, the other one compares again with the winner', async () => {
  let arrived = 0;
  let both!: () => void;
  const together = new Promise<void>((resolve) => (both = resolve));
  let compared = 0;
  const { champion, activities } = fakes({
    compareJudges: async () => {
      // The loser's second comparison is with the winner, and it is no better.
      if (++compared > 2) return comparison(0, 1);
      if (++arrived === 2) both();
      await together;
      return comparison(10, 0.002);
    },
  });
  await withWorkers(environment, activities, 100, async () => {
    await (await start({})).result();
    const racers = await Promise.all([start({}), start({})]);
    const reports = await Promise.all(racers.map((racer) => racer.result()));
    expect(reports.map(({ state }) => state).sort()).toEqual(['kept', 'promoted']);
    expect(champion.history).toHaveLength(2);
    expect(compared).toBe(3);
  });
});

test('a rejected or failed training run leaves the champion alone', async () => {
  const { champion, activities } = fakes(
    {},
    {
      prepareDataset: async () => {
        throw ApplicationFailure.nonRetryable('pairs.jsonl: line 7: chosen is missing', 'BadData');
      },
    },
  );
  await withWorkers(environment, activities, 100, async () => {
    const error: unknown = await (await start({})).result().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(WorkflowFailedError);
    expect(champion.version).toBe(0);
  });
});

test('wrong input is refused with the field named', async () => {
  const { activities } = fakes();
  await withWorkers(environment, activities, 100, async () => {
    for (const watch of ['../secrets', 'manifests/sft/', '/etc']) {
      const error = await (await start({ watch })).result().catch((caught: unknown) => caught);
      expect((error as WorkflowFailedError).cause?.message).toMatch(/watch/);
    }
  });
});

test('a run that starts from a stage of another run takes what came before as it is', async () => {
  const stage = (name: string) => ({
    ...{ stage: name, key: name, reused: true, parents: {}, metrics: {} },
    outputs: {
      model: fakeRef(`${name}-model`),
      train: fakeRef('train'),
      test: fakeRef('test'),
      traces: fakeRef('t'),
    },
    cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 0 },
  });
  const asked: unknown[] = [];
  const { calls, activities } = fakes({
    adoptStages: async (input) => {
      asked.push(input);
      const names = ['dataset', 'base', 'distill', 'sft'] as const;
      return Object.fromEntries(names.map((name) => [name, stage(name)]));
    },
  });
  await withWorkers(environment, activities, 0, async () => {
    const handle = await environment.client.workflow.start<typeof trainRewardModel>('trainRewardModel', {
      taskQueue,
      workflowId: `fork-${randomUUID()}`,
      args: [{ startFrom: { run: 'earlier', stage: 'grpo' }, overrides: { 'grpo.steps': 60 } }],
    });
    await handle.result();
    expect(asked).toEqual([{ run: 'earlier', stage: 'grpo' }]);
    expect(calls.filter((call) => call.startsWith('train:'))).toEqual(['train:grpo']);
    expect(calls).not.toContain('judgeWithOracle');
    const { stages } = await handle.query(messages.progressQuery);
    expect(stages.slice(0, 4).every(({ state }) => state === 'reused')).toBe(true);
  });
});

test('a schedule is set up, listed, triggered, paused, made up for and deleted', async () => {
  const { champion, activities } = fakes({ compareJudges: async () => comparison(1, 1) });
  const schedules = new Schedules(environment.client);
  await withWorkers(environment, activities, 100, async () => {
    await schedules.create('nightly', { cron: '0 3 * * *' }, { ...WATCH });
    await expect(schedules.create('nightly', { every: '1d' }, {})).rejects.toMatchObject({ type: 'Usage' });
    await expect(schedules.create('x', { every: '1d' }, { minNewPairs: 0 })).rejects.toMatchObject({
      type: 'InvalidInput',
    });
    await expect(schedules.create('y', {}, {})).rejects.toMatchObject({ type: 'Usage' });
    await expect(schedules.pause('nobody')).rejects.toMatchObject({ type: 'Usage' });

    await schedules.trigger('nightly');
    const runs = await until('the triggered run', async () => {
      const found = (await schedules.list()).find(({ id }) => id === 'nightly');
      return found?.recentRuns.length === 1 && found.recentRuns;
    });
    const report = await environment.client.workflow.getHandle<typeof retrain>(runs[0]!).result();
    expect(report).toMatchObject({ state: 'promoted', version: 1 });
    expect(champion.version).toBe(1);

    await schedules.pause('nightly', 'a holiday');
    await until('the pause', async () => (await schedules.list())[0]?.paused);
    await schedules.resume('nightly');
    const days = [new Date('2026-01-01T00:00:00Z'), new Date('2026-01-03T23:00:00Z')] as const;
    await schedules.backfill('nightly', ...days);
    const all = await until('the three nights', async () => {
      const found = (await schedules.list())[0]?.recentRuns;
      return found?.length === 4 && found;
    });
    await schedules.delete('nightly');
    // What still runs would ask the activities of the next test.
    await Promise.all(all.map((id) => environment.client.workflow.getHandle(id).result()));
    await until('the end of the schedule', async () => (await schedules.list()).length === 0);
  });
});
