/**
 * A batch whose acceptance nobody heard of must not be submitted again: the worker dies, or the reply is lost, between
 * the provider's yes and our record of it.
 */
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { toLine } from '../../activities/dataset/pair-lines.js';
import type { BatchActivityInput, BatchPlanInput } from '../../activities/interface.js';
import { harvestBatch, pollBatch } from '../../activities/oracle/batches/harvest-batch.js';
import { planBatches } from '../../activities/oracle/batches/plan-batches.js';
import { submitBatch } from '../../activities/oracle/batches/submit-batch.js';
import { present } from '../../judge/pair.js';
import { loadRecipe } from '../../recipes/load.js';
import { generateWorld } from '../../world/index.js';
import { startService, type TestService } from '../oracle/service.js';
import { fakeRef } from '../support/fake-activities.js';
import { until } from '../support/until.js';
import { BatchStore } from './batch-store.js';

const PAIRS = 12;
const shown = generateWorld({ seed: 2, train: PAIRS, validation: 1, test: 1 }).train.map((pair) =>
  present(pair, 'A'),
);
const pairs = fakeRef('pairs');
const DIALECTS = [
  ['openai', 'POST /v1/batches'],
  ['anthropic', 'POST /v1/messages/batches'],
] as const;

let service: TestService;
afterEach(() => service?.close());

class Bench {
  readonly store = new BatchStore();
  constructor(
    readonly provider: 'openai' | 'anthropic',
    readonly change: Record<string, unknown> = {},
  ) {
    this.store.lines.set(pairs.sha256, shown.map(toLine));
  }

  input(allowanceUsd?: number): BatchPlanInput {
    const { provider } = this;
    const recipe = loadRecipe('quickstart', {
      'oracle.provider': provider,
      'oracle.baseUrl': provider === 'anthropic' ? service.baseUrl.replace('/v1', '') : service.baseUrl,
      'oracle.timeoutSeconds': 1,
      ...this.change,
    });
    return {
      context: { runId: 'run', startedBy: 'test', notify: [] },
      oracle: recipe.oracle,
      promptVersion: 'cor-v1',
      pass: 1,
      shards: [{ pairs, count: PAIRS }],
      ...(allowanceUsd === undefined ? {} : { allowanceUsd }),
    };
  }

  plan(allowanceUsd?: number) {
    return run(() => planBatches(this.store.asStore, this.input(allowanceUsd)));
  }

  async chunk(): Promise<BatchActivityInput> {
    const { batches } = await this.plan();
    return { ...this.input(), chunk: batches[0]! };
  }

  submit(input: BatchActivityInput) {
    return run(() => submitBatch(this.store.asStore, input));
  }

  async harvest(input: BatchActivityInput, batchId: string) {
    await until('the end of the batch', async () => {
      return (await run(() => pollBatch({ ...input, batchId }))).state === 'ended';
    });
    return run(() => harvestBatch(this.store.asStore, { ...input, batchId }));
  }
}

/** Every call is another scheduled activity. */
let activities = 0;
function run<T>(work: () => Promise<T>): Promise<T> {
  return new MockActivityEnvironment({ activityId: String(++activities) }).run(work);
}

describe.each(DIALECTS)('%s', (provider, route) => {
  it('reply lost: the next attempt finds the batch at the provider and takes it', async () => {
    service = await startService({ batch: { durationMs: 50 } });
    await service.post('/faults', JSON.stringify({ kind: 'lost-reply', next: 1, route }));
    const bench = new Bench(provider);
    const input = await bench.chunk();
    await expect(bench.submit(input)).rejects.toMatchObject({ type: 'OracleUnreachable' });
    const { batchId } = await bench.submit(input);
    expect((await service.stats()).batches).toBe(1);
    expect(await bench.harvest(input, batchId!)).toMatchObject({ answered: PAIRS, left: 0 });
    expect((await service.stats()).answered).toBe(PAIRS);
  });

  it('killed before the id is stored: as above', async () => {
    service = await startService({ batch: { durationMs: 50 } });
    const bench = new Bench(provider);
    const input = await bench.chunk();
    let puts = 0;
    bench.store.onPut = (key) => {
      if (key.startsWith('oracle-batches/open/') && ++puts === 2) throw new Error('killed');
    };
    await expect(bench.submit(input)).rejects.toThrow('killed');
    const { batchId } = await bench.submit(input);
    expect(batchId).toBeDefined();
    expect(await bench.submit(input)).toEqual({ batchId });
    expect((await service.stats()).batches).toBe(1);
  });

  it('killed before anything was sent: submitted once the request could not arrive any more', async () => {
    service = await startService({ batch: { durationMs: 50 } });
    await service.post('/faults', JSON.stringify({ kind: 'hang', next: 1, route }));
    const bench = new Bench(provider);
    const input = await bench.chunk();
    await expect(bench.submit(input)).rejects.toMatchObject({ type: 'OracleUnreachable' });
    expect((await service.stats()).batches).toBe(0);
    const { batchId } = await bench.submit(input);
    expect(batchId).toBeDefined();
    expect((await service.stats()).batches).toBe(1);
  });

  it('results that break off are brought in by the next attempt; nothing is stored or billed twice', async () => {
    service = await startService({ batch: { durationMs: 50 } });
    const bench = new Bench(provider);
    const input = await bench.chunk();
    const { batchId } = await bench.submit(input);
    const results = provider === 'openai' ? 'GET /v1/files' : `GET /v1/messages/batches/${batchId}/results`;
    await service.post('/faults', JSON.stringify({ kind: 'cut', next: 1, route: results }));
    await expect(bench.harvest(input, batchId!)).rejects.toMatchObject({ type: 'OracleUnreachable' });
    const harvest = await bench.harvest(input, batchId!);
    expect(harvest).toMatchObject({ answered: PAIRS, left: 0, spent: [{ calls: PAIRS }] });
    expect((await bench.plan()).batches).toEqual([]);
    expect((await bench.plan()).stored).toBe(PAIRS);
  });

  it('another run waits for a batch under way rather than asking the same questions', async () => {
    service = await startService({ batch: { durationMs: 50 } });
    const bench = new Bench(provider);
    const input = await bench.chunk();
    const { batchId } = await bench.submit(input);
    const { batches } = await bench.plan();
    expect(batches.map(({ set }) => set)).toEqual([input.chunk.set]);
    expect(await bench.submit({ ...input, chunk: batches[0]! })).toEqual({ batchId });
  });

  it('refusals are answers and stay; broken lines are asked again, and only those', async () => {
    service = await startService({ batch: { durationMs: 50 } });
    await service.post('/faults', JSON.stringify({ kind: 'refusal', next: 2 }));
    await service.post('/faults', JSON.stringify({ kind: 'line-error', next: 3 }));
    const bench = new Bench(provider);
    const input = await bench.chunk();
    const { batchId } = await bench.submit(input);
    expect(await bench.harvest(input, batchId!)).toMatchObject({ answered: PAIRS - 3, left: 3 });
    const { batches } = await bench.plan();
    expect(batches.map(({ count }) => count)).toEqual([3]);
  });
});

it('splits by count, by bytes and by what the budget allows', async () => {
  service = await startService();
  const counts = async (change: Record<string, unknown>, allowanceUsd?: number) => {
    const { batches, left } = await new Bench('openai', change).plan(allowanceUsd);
    return { counts: batches.map(({ count }) => count), left };
  };
  expect(await counts({ 'oracle.batch': { maxRequests: 5 } })).toEqual({ counts: [5, 5, 2], left: 0 });
  const bytes = await counts({ 'oracle.batch': { maxBytes: 8192 } });
  expect(bytes.counts.length).toBeGreaterThan(1);
  expect(bytes.counts.reduce((sum, count) => sum + count, 0)).toBe(PAIRS);
  const { batches } = await new Bench('openai').plan();
  const half = await counts({}, batches[0]!.worstUsd / 2);
  expect(half.left).toBeGreaterThan(0);
  expect(half.counts[0]! + half.left).toBe(PAIRS);
});
