/**
 * Days of a distillation in seconds: batches that take most of a day, three that expire, a provider that is away for six
 * hours, workers that are down for twelve. The provider's clock is the test's: it moves on by five hours whenever
 * somebody looks at a batch. No question may be asked twice, and the ledger must say what the provider says.
 */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { toLine } from '../../activities/dataset/pair-lines.js';
import { oracleActivities } from '../../activities/index.js';
import type { TracesInput } from '../../activities/interface.js';
import type { OracleJudgement } from '../../activities/oracle/judge-with-oracle.js';
import { splitPairs } from '../../activities/oracle/split-pairs.js';
import { spentByRun } from '../../activities/oracle/tally.js';
import { present } from '../../judge/pair.js';
import { loadRecipe } from '../../recipes/load.js';
import { temporalConfig } from '../../temporal.config.js';
import type { StageInput } from '../../workflows/inputs.js';
import type { distill } from '../../workflows/distill.js';
import { generateWorld } from '../../world/index.js';
import { startService, type TestService } from '../oracle/service.js';
import { fakeActivities, fakeRef, type AllActivities } from '../support/fake-activities.js';
import { until } from '../support/until.js';
import { startEnvironment, workflowBundle } from '../support/workflow-environment.js';
import { BatchStore } from './batch-store.js';

const HOUR = 3600_000;
const PAIRS = 60;
const shown = generateWorld({ seed: 9, train: PAIRS, validation: 1, test: 1 }).train.map((pair, index) =>
  present(pair, index % 2 === 0 ? 'A' : 'B'),
);
const pairs = fakeRef('pairs');

let environment: TestWorkflowEnvironment;
let service: TestService;
let store: BatchStore;
let traces: TracesInput | undefined;
let runs = 0;
/** The provider's time, ms since the epoch. */
let now = 0;

beforeAll(async () => {
  environment = await startEnvironment();
}, 60_000);
afterAll(() => environment?.teardown());
afterEach(() => service?.close());

async function pass(ms: number): Promise<void> {
  now += ms;
  await service.clock(now);
}

/** The real activities over a store in memory. */
function activities(): AllActivities {
  const asStore = store.asStore;
  const real = oracleActivities({ store: asStore, client: environment.client });
  const timed = Object.fromEntries(
    Object.entries(real).map(([name, run]) => [
      name,
      async (input: never) => {
        if (name === 'pollBatch') await pass(5 * HOUR);
        try {
          return await (run as (input: never) => Promise<unknown>)(input);
        } catch (error) {
          // As the workers' interceptor does: the type is what crosses the wire.
          const { type, message } = error as { type?: string; message: string };
          throw type === undefined ? error : ApplicationFailure.create({ type, message });
        }
      },
    ]),
  ) as unknown as typeof real;
  const { activities: fakes } = fakeActivities({
    ...timed,
    splitPairs: (input) => splitPairs(asStore, input),
    openLedger: ({ runId }) => spentByRun(asStore, runId),
  });
  const { filterTraces } = fakes;
  fakes.filterTraces = (input) => {
    traces = input;
    return filterTraces(input);
  };
  return fakes;
}

async function startWorkers(): Promise<() => Promise<void>> {
  const connection = environment.nativeConnection;
  const { orchestration, oracle } = temporalConfig.taskQueues;
  const all = activities();
  const workers = await Promise.all([
    Worker.create({
      connection,
      taskQueue: orchestration,
      workflowBundle: await workflowBundle(),
      activities: all,
      // Every task replays its workflow from the beginning.
      maxCachedWorkflows: 0,
    }),
    Worker.create({ connection, taskQueue: oracle, activities: all }),
  ]);
  const running = workers.map((worker) => worker.run());
  return async () => {
    for (const worker of workers) worker.shutdown();
    await Promise.all(running);
  };
}

type Run = WorkflowHandle<typeof distill>;

async function start(provider: 'local' | 'anthropic', budget?: { usd: number }): Promise<Run> {
  const baseUrl = provider === 'anthropic' ? service.baseUrl.replace('/v1', '') : service.baseUrl;
  const recipe = loadRecipe('quickstart', {
    'oracle.provider': provider,
    'oracle.baseUrl': baseUrl,
    'oracle.mode': 'batch',
    'oracle.batch': { maxRequests: 40, firstPollSeconds: 0.05, lastPollSeconds: 0.05 },
    'distill.pairs': PAIRS,
    'distill.shardSize': 25,
  });
  const workflowId = `days-${++runs}`;
  const input: StageInput = {
    artifacts: { pairs },
    ...(budget ? { budget } : {}),
    supervision: {
      runId: workflowId,
      recipe,
      recipeRef: fakeRef('recipe', 'recipe'),
      heartbeatSeconds: 5,
      seed: 1,
      notify: [],
    },
  };
  return environment.client.workflow.start<typeof distill>('distill', {
    workflowId,
    taskQueue: temporalConfig.taskQueues.orchestration,
    args: [input],
  });
}

async function freshWorld(): Promise<number> {
  traces = undefined;
  store = new BatchStore();
  store.lines.set(pairs.sha256, shown.map(toLine));
  service = await startService({ batch: { durationMs: 20 * HOUR } });
  now = Date.now();
  await pass(0);
  return now;
}

/** Wait until it is so late for the provider. */
const untilTime = (ms: number) => until(`the provider's clock to move on`, () => now >= ms);

const fault = (kind: string, rest: object) => service.post('/faults', JSON.stringify({ kind, ...rest }));

async function judgements(): Promise<OracleJudgement[]> {
  const all: OracleJudgement[] = [];
  for (const { firstPass, secondPass } of traces!.shards!)
    for (const ref of [...firstPass, ...secondPass])
      for await (const line of store.openLines(ref)) all.push(line as OracleJudgement);
  return all;
}

/** Everything was answered, nothing was paid twice, and both sides count the same. */
async function checkBooks(): Promise<void> {
  const stats = await service.stats();
  const all = await judgements();
  expect(all.filter(({ pass }) => pass === 1)).toHaveLength(PAIRS);
  const wrong = all.filter(({ pass, agreed }) => pass === 1 && !agreed).length;
  expect(wrong).toBeGreaterThan(0);
  expect(all.filter(({ pass }) => pass === 2)).toHaveLength(wrong);
  expect(Math.max(...Object.values(stats.pairs))).toBe(1);
  expect(stats.answered).toBe(PAIRS + wrong);
  const { ledger, partial } = traces!;
  expect(partial).toBeUndefined();
  for (const { model, calls, inputTokens, outputTokens } of ledger!.entries)
    expect({ calls, inputTokens, outputTokens }).toEqual(stats.bills[`batch:${model}`]);
  expect(ledger!.calls).toBe(stats.answered);
  // The batch price is half of the recipe's.
  const { oracle } = loadRecipe('quickstart');
  const full = ledger!.entries.reduce((sum, { model, inputTokens, outputTokens }) => {
    const { inputPerMillion, outputPerMillion } = oracle.price[model]!;
    return sum + (inputTokens * inputPerMillion + outputTokens * outputPerMillion) / 1e6;
  }, 0);
  expect(ledger!.spentUsd).toBeCloseTo(full / 2, 10);
  expect(await store.listKeys('oracle-batches/open/')).toEqual([]);
}

describe.each(['local', 'anthropic'] as const)('%s', (provider) => {
  it('three expiries, an outage of 6 h, workers down for 12 h: nothing is asked twice', async () => {
    const begun = await freshWorld();
    await fault('batch-expire', { next: 3 });
    await fault('outage', { from: begun + 5 * HOUR, until: begun + 11 * HOUR });
    let stop = await startWorkers();
    try {
      const run = await start(provider);
      await untilTime(begun + 15 * HOUR);
      await stop();
      await pass(12 * HOUR);
      stop = await startWorkers();
      await run.result();
      const history = await run.fetchHistory();
      expect(history.events!.length).toBeLessThan(2000);
    } finally {
      await stop();
    }
    await checkBooks();
    const { faults } = await service.stats();
    expect(faults['batch-expire']).toBe(3);
    expect(faults.outage).toBeGreaterThan(1);
    expect(now - begun).toBeGreaterThan(48 * HOUR);
  }, 120_000);

  it('a run that is cancelled cancels its batches at the provider and keeps what they have answered', async () => {
    const begun = await freshWorld();
    const stop = await startWorkers();
    try {
      const run = await start(provider);
      await untilTime(begun + 5 * HOUR);
      await run.cancel();
      await expect(run.result()).rejects.toThrow();
      await until('the end of the batches', async () => {
        return (await store.listKeys('oracle-batches/open/')).length === 0;
      });
    } finally {
      await stop();
    }
    const { answered, bills } = await service.stats();
    expect(answered).toBeGreaterThan(0);
    expect(answered).toBeLessThan(PAIRS);
    const paid = await spentByRun(store.asStore, `days-${runs}`);
    expect(paid.map(({ calls }) => calls)).toEqual([answered]);
    expect(bills['batch:world-oracle-a']?.calls).toBe(answered);
    // What the cancelled run paid for, the next one does not ask.
    const again = await startWorkers();
    try {
      await (await start(provider)).result();
    } finally {
      await again();
    }
    expect(Math.max(...Object.values((await service.stats()).pairs))).toBe(1);
  }, 120_000);
});
