/** A cap that a restart forgets is no cap: what a run paid counts, however often its activities begin again. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import type { ArtifactStore } from '../../activities/artifacts/store.js';
import { toLine } from '../../activities/dataset/pair-lines.js';
import type { OracleShardInput, OracleShardResult } from '../../activities/interface.js';
import { judgeWithOracle } from '../../activities/oracle/judge-with-oracle.js';
import { present } from '../../judge/pair.js';
import { checkBudget } from '../../recipes/check-budget.js';
import { loadRecipe } from '../../recipes/load.js';
import { generateWorld } from '../../world/index.js';
import { fakeRef } from '../support/fake-activities.js';
import { startService, type TestService } from './service.js';

const PAIRS = 12;
const recipe = loadRecipe('quickstart');
const lines = generateWorld({ seed: 1, train: PAIRS, validation: 4, test: 4 }).train.map((pair, index) =>
  toLine(present(pair, index % 2 === 0 ? 'A' : 'B')),
);

/** The records and lines that a shard touches, in memory. */
class MemoryStore {
  readonly records = new Map<string, unknown>();
  async *openLines(): AsyncGenerator<unknown> {
    yield* lines;
  }
  async putLines(_kind: string, rows: unknown[]): Promise<ArtifactRef> {
    return fakeRef(`lines-${rows.length}`, 'outputs');
  }
  async getJson(key: string) {
    return this.records.has(key) ? { value: this.records.get(key), etag: '1' } : undefined;
  }
  async putJson(key: string, value: unknown) {
    this.records.set(key, value);
    return { etag: '1' };
  }
}

let server: TestService;
beforeAll(async () => {
  server = await startService();
});
afterAll(() => server?.close());

function judge(store: MemoryStore, runId: string, budgetUsd?: number): Promise<OracleShardResult> {
  const input: OracleShardInput = {
    context: { runId, startedBy: 'test', notify: [] },
    seed: 1,
    pairs: fakeRef('pairs'),
    pass: 1,
    from: 0,
    to: PAIRS,
    total: PAIRS,
    oracle: { ...recipe.oracle, baseUrl: server.baseUrl, concurrency: 1 },
    promptVersion: 'cor-v1',
    ...(budgetUsd === undefined ? {} : { budgetUsd }),
  };
  return new MockActivityEnvironment().run(() => judgeWithOracle(store as unknown as ArtifactStore, input));
}

it('counts what an earlier attempt of the same run paid, and lets other runs use it for nothing', async () => {
  const store = new MemoryStore();
  const whole = await judge(new MemoryStore(), 'a');
  expect(whole).toMatchObject({ asked: PAIRS, cached: 0, budgetReached: false });
  const cap = whole.cost.usd * 0.75;

  const first = await judge(store, 'a', cap);
  expect(first.budgetReached).toBe(true);
  expect(first.cost.usd).toBeGreaterThan(0);
  expect(first.cost.usd).toBeLessThanOrEqual(cap);

  const again = await judge(store, 'a', cap);
  expect(again.asked).toBe(0);
  expect(again.cost.usd).toBeCloseTo(first.cost.usd, 12);

  const raised = await judge(store, 'a', whole.cost.usd * 2);
  expect(raised).toMatchObject({ budgetReached: false, cached: first.asked });
  expect(raised.cost).toEqual({ ...whole.cost, usd: expect.closeTo(whole.cost.usd, 12) as number });

  const other = await judge(store, 'b', cap);
  expect(other).toMatchObject({
    asked: 0,
    cached: PAIRS,
    budgetReached: false,
    cost: { usd: 0, inputTokens: 0 },
  });
});

it('refuses a cap for a model without a price, which would never be reached', () => {
  const unpriced = loadRecipe('scratch');
  expect(() => checkBudget(unpriced, { usd: 5 })).toThrow(/no price for gpt-4o-mini.*oracle\.price=/);
  expect(() => checkBudget(unpriced, undefined)).not.toThrow();
  expect(() => checkBudget(recipe, { usd: 5 })).not.toThrow();
});
