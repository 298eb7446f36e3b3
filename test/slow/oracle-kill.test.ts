/**
 * Distillation under real kills: worker, Temporal, S3, and the way to the oracle. Whatever happens, no stored answer is
 * asked for again, the ledger agrees with what the provider counts, and the provider never counts more than the cap.
 */
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { toLine } from '../../activities/dataset/pair-lines.js';
import { isRunning } from '../../infra/local/process.js';
import type { OracleStats } from '../../infra/oracle/stats.js';
import { present } from '../../judge/pair.js';
import { generateWorld } from '../../world/index.js';
import type { LedgerReport } from '../../workflows/ledger.js';
import { ledgerQuery, raiseBudgetUpdate } from '../../workflows/messages.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { TestMachine, type TestOracle } from '../support/machine.js';
import { until } from '../support/until.js';

const PAIRS = 96;
const CONCURRENCY = 8;
const LATENCY_MS = 150;
/** Calls in flight, and what may be on record or on its way to the store at their pace (`call-slots.ts`). */
const UNDER_WAY = CONCURRENCY + 2 + Math.ceil(0.4 * CONCURRENCY * (1000 / LATENCY_MS));
const PRICE = { inputPerMillion: 3, outputPerMillion: 15 };

let machine: TestMachine;
beforeAll(async () => {
  machine = await TestMachine.start();
}, 300_000);
afterAll(() => machine?.stop());

interface Scene {
  oracle: TestOracle;
  proxy: FaultProxy;
  handle: WorkflowHandle;
  startWorker: () => ReturnType<TestMachine['startWorker']>;
  /** Answered by now, as the oracle counts. */
  answered: () => Promise<number>;
}

/** Distil pairs that nobody has asked about yet, with an oracle behind a proxy. */
async function scene(seed: number, budgetUsd: number): Promise<Scene> {
  const oracle = await machine.startOracle(['--latency-ms', String(LATENCY_MS)]);
  const { hostname, port } = new URL(oracle.baseUrl);
  const proxy = await FaultProxy.before(hostname, Number(port));
  const startWorker = () => machine.startWorker({ RMR1_ORACLE_URL: `http://${proxy.address}/v1` });
  await startWorker();
  const pairs = generateWorld({ seed, train: PAIRS, validation: 4, test: 4 }).train;
  const lines = pairs.map((pair, index) => toLine(present(pair, index % 2 === 0 ? 'A' : 'B')));
  const overrides = {
    'distill.pairs': PAIRS,
    'distill.shardSize': 24,
    'oracle.concurrency': CONCURRENCY,
    'oracle.maxTokens': 200,
    'oracle.price': { 'world-oracle-a': PRICE, 'world-oracle-b': PRICE },
  };
  const input = {
    artifacts: { pairs: await machine.store.putLines('pairs', lines) },
    overrides,
    budget: { usd: budgetUsd },
  };
  const handle = await machine.start('distill', input, `oracle-kill-${seed}`);
  return { oracle, proxy, handle, startWorker, answered: async () => (await oracle.stats()).answered };
}

async function finish({
  handle,
  oracle,
  proxy,
}: Scene): Promise<{ stats: OracleStats; ledger: LedgerReport }> {
  await until(`the end of ${handle.workflowId}`, async () => {
    const problem = (await machine.progress(handle.workflowId))?.problem;
    // A raised budget takes a moment to be taken up.
    if (problem && problem.type !== 'BudgetExhausted') throw new Error(JSON.stringify(problem));
    const description = await handle.describe().catch(() => undefined);
    return description?.status.name === 'COMPLETED';
  });
  const ledger = await handle.query(ledgerQuery);
  const stats = await oracle.stats();
  await machine.stopWorkers();
  await proxy.close();
  return { stats, ledger };
}

const billed = ({ tokens }: OracleStats): number =>
  (tokens.prompt * PRICE.inputPerMillion + tokens.completion * PRICE.outputPerMillion) / 1e6;

/** What must hold after every disturbance. @returns calls that were made twice. */
function check({ stats, ledger }: { stats: OracleStats; ledger: LedgerReport }): number {
  const times = Object.values(stats.pairs);
  const twice = times.reduce((sum, n) => sum + n, 0) - times.length;
  expect(ledger.calls).toBe(times.length);
  expect(twice).toBeLessThanOrEqual(UNDER_WAY);
  const unanswered = ledger.entries.reduce((sum, entry) => sum + entry.unanswered.calls, 0);
  expect(unanswered).toBeGreaterThanOrEqual(twice);
  expect(unanswered).toBeLessThanOrEqual(UNDER_WAY);
  expect(ledger.reservedUsd).toBe(0);
  expect(ledger.spentUsd).toBeLessThanOrEqual(billed(stats) + 1e-9);
  expect(billed(stats)).toBeLessThanOrEqual(ledger.spentUsd + ledger.unansweredUsd + 1e-9);
  expect(billed(stats)).toBeLessThanOrEqual(ledger.capUsd!);
  if (twice === 0) expect(ledger.spentUsd).toBeCloseTo(billed(stats), 9);
  return twice;
}

test('the worker killed (−9) while it asks: at most what was under way is asked again', async () => {
  const run = await scene(101, 5);
  await until('some answers', async () => (await run.answered()) >= 20);
  const worker = machine.killWorker();
  await until('the end of the worker', () => !isRunning(worker), 10);
  await run.startWorker();
  check(await finish(run));
});

test('Temporal killed (−9): answers go on being stored, and none is asked for twice', async () => {
  const run = await scene(102, 5);
  await until('some answers', async () => (await run.answered()) >= 20);
  await machine.temporal.kill9();
  await machine.temporal.restart();
  check(await finish(run));
});

test('S3 killed (−9): nothing is sent that is not on record, answers wait for its return', async () => {
  const run = await scene(103, 5);
  await until('some answers', async () => (await run.answered()) >= 20);
  await machine.s3.kill9();
  await machine.s3.restart();
  expect(check(await finish(run))).toBe(0);
});

test('the way to the oracle cut: answers that were lost on it are asked for again, and counted as possibly billed', async () => {
  const run = await scene(104, 5);
  await until('some answers', async () => (await run.answered()) >= 20);
  run.proxy.poison('cut');
  await until('a quiet oracle', async () => {
    const { answered, requests } = await run.oracle.stats();
    return answered === requests;
  });
  run.proxy.heal();
  const { stats, ledger } = await finish(run);
  const times = Object.values(stats.pairs);
  expect(ledger.calls).toBe(times.length);
  expect(times.reduce((sum, n) => sum + n, 0) - times.length).toBeLessThanOrEqual(CONCURRENCY);
  expect(billed(stats)).toBeLessThanOrEqual(ledger.capUsd!);
});

test('two workers share one cap: the run stops below it, says so, and goes on with more', async () => {
  const cap = 0.09;
  const run = await scene(105, cap);
  await run.startWorker();
  const { problem } = await until('the cap', async () => {
    const progress = await machine.progress(run.handle.workflowId);
    return progress?.problem && progress;
  });
  expect(problem).toMatchObject({ type: 'BudgetExhausted', stage: 'distill' });
  const stopped = await run.oracle.stats();
  const ledger = await run.handle.query(ledgerQuery);
  expect(ledger.spentUsd).toBeCloseTo(billed(stopped), 9);
  expect(billed(stopped)).toBeLessThanOrEqual(cap);
  // Not even one more question would have fitted.
  expect(billed(stopped)).toBeGreaterThan(cap - 0.02);

  await run.handle.executeUpdate(raiseBudgetUpdate, { args: [{ usd: 5 }] });
  const end = await finish(run);
  expect(check(end)).toBe(0);
  expect(Object.values(end.stats.pairs).every((times) => times === 1)).toBe(true);
});
