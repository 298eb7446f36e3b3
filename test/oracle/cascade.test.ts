/** A cheap model first: the dear one hears only of what it got wrong, and both their right judgements are direct traces. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { toLine } from '../../activities/dataset/pair-lines.js';
import type { OracleShardInput, OracleShardResult } from '../../activities/interface.js';
import { estimateDistillation } from '../../activities/oracle/estimate.js';
import { judgeWithOracle, type OracleJudgement } from '../../activities/oracle/judge-with-oracle.js';
import { present } from '../../judge/pair.js';
import { checkBudget } from '../../recipes/check-budget.js';
import { loadRecipe } from '../../recipes/load.js';
import { generateWorld } from '../../world/index.js';
import { fakeRef } from '../support/fake-activities.js';
import { MemoryStore } from './memory-store.js';
import { startService, type TestService } from './service.js';

const PAIRS = 40;
const shown = generateWorld({ seed: 3, train: PAIRS, validation: 4, test: 4 }).train.map((pair, index) =>
  present(pair, index % 2 === 0 ? 'A' : 'B'),
);
const recipe = loadRecipe('quickstart', { 'oracle.cascade': ['world-oracle-b'] });

let server: TestService;
beforeAll(async () => {
  server = await startService();
});
afterAll(() => server?.close());

it('asks the next model only about what the one before got wrong', async () => {
  const store = new MemoryStore();
  const pairs = fakeRef('pairs');
  store.lines.set(pairs.sha256, shown.map(toLine));
  const judge = (model: string, firstPass?: OracleShardResult['answers']): Promise<OracleShardResult> => {
    const input: OracleShardInput = {
      context: { runId: 'cascade', startedBy: 'test', notify: [] },
      seed: 1,
      pairs,
      pass: 1,
      from: 0,
      to: PAIRS,
      total: PAIRS,
      oracle: { ...recipe.oracle, baseUrl: server.baseUrl, model },
      promptVersion: 'cor-v1',
      ...(firstPass ? { firstPass } : {}),
    };
    return new MockActivityEnvironment({ activityId: model }).run(() =>
      judgeWithOracle(store.asStore, input),
    );
  };
  const lines = ({ answers }: OracleShardResult) => store.lines.get(answers.sha256) as OracleJudgement[];

  const cheap = await judge('world-oracle-b');
  const wrong = lines(cheap).filter(({ agreed }) => !agreed);
  expect(cheap.asked).toBe(PAIRS);
  expect(wrong.length).toBeGreaterThan(0);

  const dear = await judge('world-oracle-a', cheap.answers);
  expect(lines(dear).map(({ pairId }) => pairId)).toEqual(wrong.map(({ pairId }) => pairId));
  expect(lines(dear).every(({ pass, model }) => pass === 1 && model === 'world-oracle-a')).toBe(true);
  expect(dear.spent).toMatchObject([{ pass: 1, model: 'world-oracle-a', calls: wrong.length }]);
  const { bills } = await server.stats();
  expect(bills['chat:world-oracle-b']!.calls).toBe(PAIRS);
  expect(bills['chat:world-oracle-a']!.calls).toBe(wrong.length);
});

it('is estimated model by model, needs all their prices for a cap, and is refused where it cannot work', () => {
  const small = loadRecipe('quickstart', {
    'oracle.cascade': ['cheap'],
    'distill.pairs': 80,
    'data.world': { train: 100, validation: 8, test: 8, matrix: 1 },
  });
  const { passes } = estimateDistillation(small, 1);
  expect(passes.map(({ pass, model, questions }) => [pass, model, questions])).toEqual([
    [1, 'cheap', 80],
    [1, 'world-oracle-a', 20],
    [2, 'world-oracle-b', 5],
  ]);
  expect(() => checkBudget(small, { usd: 1 })).toThrow(/no price for cheap/);
  const cascade = ['cheap'];
  expect(() => loadRecipe('quickstart', { 'oracle.cascade': cascade, 'oracle.mode': 'batch' })).toThrow(
    /oracle\.cascade.*oracle\.mode to chat/s,
  );
  expect(() => loadRecipe('quickstart', { 'oracle.cascade': ['world-oracle-a'] })).toThrow(
    /names a model twice/,
  );
});
