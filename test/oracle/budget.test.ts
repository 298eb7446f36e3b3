/** A cap that a restart forgets is no cap: what a run paid counts, however often its activities begin again. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toLine } from '../../activities/dataset/pair-lines.js';
import type { OracleShardInput, OracleShardResult } from '../../activities/interface.js';
import { questionKey } from '../../activities/oracle/answer-cache.js';
import { Allowance, worstPrice } from '../../activities/oracle/budget.js';
import { judgeWithOracle } from '../../activities/oracle/judge-with-oracle.js';
import { questionOf } from '../../activities/oracle/shard-tasks.js';
import { spentByRun } from '../../activities/oracle/tally.js';
import { present } from '../../judge/pair.js';
import { checkBudget } from '../../recipes/check-budget.js';
import { loadRecipe } from '../../recipes/load.js';
import { generateWorld } from '../../world/index.js';
import { fakeRef } from '../support/fake-activities.js';
import { MemoryStore } from './memory-store.js';
import { startService, type TestService } from './service.js';

const PAIRS = 12;
const recipe = loadRecipe('quickstart');
const shown = generateWorld({ seed: 1, train: PAIRS, validation: 4, test: 4 }).train.map((pair, index) =>
  present(pair, index % 2 === 0 ? 'A' : 'B'),
);
const pairs = fakeRef('pairs');

let server: TestService;
beforeAll(async () => {
  server = await startService();
});
afterAll(() => server?.close());

function newStore(rows = shown): MemoryStore {
  const store = new MemoryStore();
  store.lines.set(pairs.sha256, rows.map(toLine));
  return store;
}

interface Call {
  runId?: string;
  budgetUsd?: number;
  /** One for each time a workflow schedules the activity. */
  activityId?: string;
  attempt?: number;
  change?: Partial<OracleShardInput>;
}

function judge(store: MemoryStore, call: Call = {}): Promise<OracleShardResult> {
  const { runId = 'a', budgetUsd, activityId = '1', attempt = 1, change } = call;
  const input: OracleShardInput = {
    context: { runId, startedBy: 'test', notify: [] },
    seed: 1,
    pairs,
    pass: 1,
    from: 0,
    to: PAIRS,
    total: PAIRS,
    oracle: { ...recipe.oracle, baseUrl: server.baseUrl, concurrency: 2 },
    promptVersion: 'cor-v1',
    ...(budgetUsd === undefined ? {} : { budgetUsd }),
    ...change,
  };
  return new MockActivityEnvironment({ attempt, activityId }).run(() =>
    judgeWithOracle(store.asStore, input),
  );
}

describe('an allowance', () => {
  it('is not exceeded, and a later attempt of the same activity does not get it once more', async () => {
    const store = newStore();
    const whole = await judge(newStore());
    expect(whole).toMatchObject({ asked: PAIRS, cached: 0, budgetReached: false });
    const cap = whole.cost.usd * 0.75;

    const first = await judge(store, { budgetUsd: cap });
    expect(first.budgetReached).toBe(true);
    expect(first.needUsd).toBeGreaterThan(0);
    expect(first.cost.usd).toBeGreaterThan(0);
    expect(first.cost.usd).toBeLessThanOrEqual(cap);

    const again = await judge(store, { budgetUsd: cap, attempt: 2 });
    expect(again.asked).toBe(0);
    expect(again.cost.usd).toBeCloseTo(first.cost.usd, 12);

    const more = await judge(store, { budgetUsd: whole.cost.usd * 20, activityId: '2' });
    expect(more).toMatchObject({ budgetReached: false, cached: first.asked, asked: PAIRS - first.asked });
    expect(more.cost.usd + first.cost.usd).toBeCloseTo(whole.cost.usd, 12);

    const other = await judge(store, { runId: 'b', budgetUsd: cap });
    expect(other).toMatchObject({ asked: 0, cached: PAIRS, budgetReached: false, cost: { usd: 0 } });
    const [entry] = await spentByRun(store.asStore, 'a');
    expect(entry).toMatchObject({
      stage: 'distill',
      pass: 1,
      calls: PAIRS,
      unanswered: { calls: 0, usd: 0 },
    });
    expect(entry!.usd).toBeCloseTo(whole.cost.usd, 12);
    expect(await spentByRun(store.asStore, 'b')).toEqual([]);
  });

  it('counts what a crash lost: a question on record without an answer may have been billed', async () => {
    const store = newStore();
    // Every answer is lost on its way to the store, as if the worker had died between the two.
    store.onPut = () => {
      if (store.segments.size > 0) throw new Error('the store is gone');
    };
    await expect(judge(store)).rejects.toThrow('the store is gone');
    store.onPut = () => undefined;
    const [lost] = await spentByRun(store.asStore, 'a');
    expect(lost!.calls).toBe(0);
    expect(lost!.unanswered.calls).toBeGreaterThan(0);

    const result = await judge(store, { attempt: 2 });
    expect(result).toMatchObject({ asked: PAIRS, budgetReached: false });
    const [entry] = await spentByRun(store.asStore, 'a');
    expect(entry).toMatchObject({ calls: PAIRS, unanswered: lost!.unanswered });
    // The provider's count lies between what is settled and what may have been billed.
    const { pairs: counted } = await server.stats();
    const times = Object.values(counted).reduce((sum, n) => sum + n, 0);
    expect(times).toBeGreaterThanOrEqual(PAIRS);

    const short = await judge(newStoreFrom(store), {
      attempt: 3,
      budgetUsd: lost!.unanswered.usd + entry!.usd,
    });
    expect(short).toMatchObject({ asked: 0, cached: PAIRS });
  });

  it('waits for settlements before it says no, and serves in the order of asking', async () => {
    const allowance = new Allowance(1);
    expect(await allowance.reserve(0.6)).toBe(true);
    const order: string[] = [];
    const second = allowance.reserve(0.6).then((granted) => order.push(`second ${granted}`));
    const third = allowance.reserve(0.1).then((granted) => order.push(`third ${granted}`));
    await Promise.resolve();
    expect(order).toEqual([]);
    allowance.settle(0.6, 0.2);
    await Promise.all([second, third]);
    expect(order).toEqual(['second true', 'third true']);
    expect(await allowance.reserve(0.9)).toBe(false);
    expect(allowance.spentUsd).toBeCloseTo(0.2);
  });
});

/** The same segments as another worker finds them. */
function newStoreFrom(store: MemoryStore): MemoryStore {
  const copy = newStore();
  for (const [key, bytes] of store.segments) copy.segments.set(key, bytes);
  return copy;
}

describe('questions', () => {
  it('that are the same are asked once, though they stand side by side', async () => {
    const before = (await server.stats()).answered;
    const twin = shown.map((presented) => ({
      ...presented,
      pair: { ...presented.pair, id: `${presented.pair.id}'` },
    }));
    const result = await judge(newStore([...shown, ...twin]), { change: { to: 2 * PAIRS } });
    expect(result).toMatchObject({ asked: PAIRS, cached: PAIRS });
    expect((await server.stats()).answered - before).toBe(PAIRS);
  });

  it('are never billed more than was reserved for them', async () => {
    const store = newStore();
    await judge(store);
    for (const presented of shown) {
      const question = questionOf({ oracle: recipe.oracle, promptVersion: 'cor-v1' }, presented);
      const answers = [...store.segments.values()].flatMap((bytes) =>
        bytes.toString('utf8').split('\n').slice(1),
      );
      const line = answers.find((text) => text.includes(questionKey(question)))!;
      expect((JSON.parse(line) as { usd: number }).usd).toBeLessThanOrEqual(
        worstPrice(recipe.oracle, question),
      );
    }
  });
});

it('refuses a cap for a model without a price, which would never be reached', () => {
  const unpriced = loadRecipe('scratch');
  expect(() => checkBudget(unpriced, { usd: 5 })).toThrow(/no price for gpt-4o-mini.*oracle\.price=/);
  expect(() => checkBudget(unpriced, undefined)).not.toThrow();
  expect(() => checkBudget(recipe, { usd: 5 })).not.toThrow();
});
