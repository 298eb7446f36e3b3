/** A recipe without an oracle: what it refuses, what it costs, and that what the student masters stays a trace. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { toLine } from '../../activities/dataset/pair-lines.js';
import { estimateDistillation } from '../../activities/oracle/estimate.js';
import { distillationIdentity, filterTraces, type Trace } from '../../activities/oracle/filter-traces.js';
import { chosen } from '../../activities/oracle/sample-student.js';
import type { StageOutcome } from '../../activities/stage-outcome.js';
import { estimateText } from '../../client/commands/estimate.js';
import { checkOracleKey } from '../../client/oracle-choice.js';
import { present } from '../../judge/pair.js';
import { checkBudget } from '../../recipes/check-budget.js';
import { loadRecipe } from '../../recipes/load.js';
import { roundsOf, studentSamples } from '../../recipes/self-taught.js';
import { useStore } from '../artifacts/shared-store.js';
import { fakeRef } from '../support/fake-activities.js';

const NONE = { 'oracle.provider': 'none' };
const fixture = useStore();

describe('a recipe without an oracle', () => {
  it.each([
    [{ 'distill.rounds': 2 }, /distill\.rounds.*set oracle\.provider to none/s],
    [{ ...NONE, 'oracle.mode': 'batch' }, /oracle\.mode.*no oracle to send batches to/s],
    [{ ...NONE, 'oracle.cascade': ['cheap'] }, /oracle\.cascade.*leave it out/s],
    [{ ...NONE, 'distill.rounds': 0 }, /distill\.rounds/],
  ])('is refused where it contradicts itself: %j', (overrides, message) => {
    expect(() => loadRecipe('quickstart', overrides)).toThrow(message);
  });

  it('needs no key, no price and no estimate', () => {
    const recipe = loadRecipe('scratch', NONE);
    expect([studentSamples(recipe), roundsOf(recipe)]).toEqual([4, 3]);
    expect(roundsOf(loadRecipe('scratch'))).toBe(1);
    expect(() => checkBudget(recipe, { usd: 1 })).not.toThrow();
    expect(() => checkOracleKey(recipe.oracle, {})).not.toThrow();
    const world = { train: 1_200, validation: 8, test: 8, matrix: 1 };
    const small = loadRecipe('quickstart', { ...NONE, 'distill.pairs': 1_000, 'data.world': world });
    const estimate = estimateDistillation(small, 1);
    expect(estimate).toEqual({ pairs: 1_000, passes: [], usd: 0, atMostUsd: 0 });
    expect(estimateText(estimate)).toMatch(/No oracle is asked.*1,000 pairs/);
  });

  it('finds a round again whatever the number of rounds, and another one where more samples are drawn', () => {
    const key = (overrides: Record<string, unknown>) =>
      JSON.stringify(
        distillationIdentity({
          recipe: loadRecipe('quickstart', { ...NONE, ...overrides }),
          seed: 1,
          pairs: fakeRef('pairs'),
          student: fakeRef('student'),
        }),
      );
    expect(key({ 'distill.rounds': 2 })).toBe(key({ 'distill.rounds': 5 }));
    expect(key({ 'distill.studentSamples': 4 })).not.toBe(key({ 'distill.studentSamples': 5 }));
  });
});

describe('the student’s own judgements', () => {
  const shown = ['A', 'B', 'A'].map((gold, index) => {
    const conversation = [{ role: 'user' as const, content: `question ${index}` }];
    const pair = { id: `p${index}`, conversation, chosen: 'good', rejected: 'bad', category: 'chat/a' };
    return present(pair, gold as 'A' | 'B');
  });
  const output = (verdict: string, sample: number) => {
    return {
      id: 'x',
      sample,
      text: `why <answer>[[${verdict}]]</answer>`,
      promptTokens: 9,
      tokens: 4,
      finished: true,
    };
  };
  async function filtered(verdicts: string[][]): Promise<StageOutcome> {
    const { store } = fixture;
    const judged = shown.map((item, index) => chosen({ item, outputs: verdicts[index]!.map(output) }));
    const pairs = await store.putLines('pairs', shown.map(toLine));
    const firstPass = [await store.putLines('outputs', judged)];
    const filter = () =>
      filterTraces(store, {
        context: { runId: 'r', startedBy: 'test', notify: [] },
        seed: 1,
        recipe: loadRecipe('quickstart', NONE),
        pairs,
        student: fakeRef(`student of ${JSON.stringify(verdicts)}`),
        shards: [{ pairs, firstPass, secondPass: [] }],
        cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 1 },
      });
    return new MockActivityEnvironment().run<[], StageOutcome, typeof filter>(filter);
  }

  it('are traces where one of them is right, also where all are', async () => {
    const outcome = await filtered([
      ['A', 'A'],
      ['A', 'B'],
      ['B', 'B'],
    ]);
    const traces: Trace[] = [];
    for await (const line of fixture.store.openLines(outcome.outputs.traces!)) traces.push(line as Trace);
    expect(traces.map(({ pairId, source, model }) => [pairId, source, model])).toEqual([
      ['p0', 'direct', 'student'],
      ['p1', 'direct', 'student'],
    ]);
    expect(outcome.metrics).toMatchObject({ traces: 2, rejected: 1 });
  });

  it('that are all wrong end the run with what to do', async () => {
    const wrong = [['B'], ['A'], ['B']];
    await expect(filtered(wrong)).rejects.toMatchObject({
      type: 'NoTraces',
      message: expect.stringMatching(
        /3 judgements that the student drew.*raise distill\.studentSamples/,
      ) as string,
    });
  });
});
