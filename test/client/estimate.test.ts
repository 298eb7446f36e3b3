/** Nobody should learn from the bill what a run costs. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { estimateDistillation } from '../../activities/oracle/estimate.js';
import { confirmEstimate, estimateText } from '../../client/commands/estimate.js';
import { loadRecipe } from '../../recipes/load.js';

const price = { 'gpt-4o-mini': { inputPerMillion: 0.15, outputPerMillion: 0.6 } };
const pairs = Array.from({ length: 400 }, (_, index) => ({
  id: `pair-${index}`,
  conversation: [{ role: 'user' as const, content: `Question ${index}?` }],
  chosen: `Right ${index}`,
  rejected: `Wrong ${index}`,
  category: 'chat',
}));

afterEach(() => vi.restoreAllMocks());

describe('an estimate', () => {
  it('counts the very questions of both passes, and what they cost at most', () => {
    const recipe = loadRecipe('scratch', { 'oracle.price': price, 'distill.pairs': 200 });
    const estimate = estimateDistillation(recipe, 1, pairs);
    expect(estimate.pairs).toBe(200);
    expect(
      estimate.passes.map(({ pass, questions, outputTokens }) => [pass, questions, outputTokens]),
    ).toEqual([
      [1, 200, 120_000],
      [2, 50, 30_000],
    ]);
    expect(estimate.usd).toBeCloseTo(
      estimate.passes.reduce(
        (sum, { inputTokens, outputTokens }) => sum + inputTokens * 0.15e-6 + outputTokens * 0.6e-6,
        0,
      ),
    );
    expect(estimate.atMostUsd).toBeGreaterThan(200 * 1024 * 0.6e-6 * 2);
    expect(estimateText(estimate)).toMatch(
      /200 pairs.*pass 1.*pass 2.*Together \$0\.\d+, in no case more than \$/s,
    );
  });

  it('knows that batches are cheaper', () => {
    const settings = { 'oracle.price': price, 'distill.pairs': 200 };
    const chat = estimateDistillation(loadRecipe('scratch', settings), 1, pairs);
    const batch = estimateDistillation(
      loadRecipe('scratch', { ...settings, 'oracle.mode': 'batch' }),
      1,
      pairs,
    );
    expect(batch.usd).toBeCloseTo(chat.usd! / 2, 12);
    expect(batch.atMostUsd).toBeCloseTo(chat.atMostUsd! / 2, 12);
  });

  it('follows quotas, and recipes that generate their pairs', () => {
    const recipe = loadRecipe('quickstart', {
      'distill.quotas': { reasoning: 10 },
      'distill.pairs': 100,
      'data.world': { train: 120, validation: 8, test: 8, matrix: 1 },
    });
    const { passes, usd } = estimateDistillation(recipe, 1);
    expect(passes[0]!.questions).toBeLessThan(100);
    expect(usd).toBeGreaterThan(0);
  });

  it('says that a price is unknown instead of calling it nothing', () => {
    const estimate = estimateDistillation(loadRecipe('scratch'), 1, pairs);
    expect(estimate.usd).toBeUndefined();
    expect(estimateText(estimate)).toMatch(/price unknown.*oracle\.price/s);
  });
});

describe('above the threshold', () => {
  const dear = { 'oracle.price': { 'gpt-4o-mini': { inputPerMillion: 10, outputPerMillion: 1000 } } };
  const quiet = () => vi.spyOn(process.stderr, 'write').mockReturnValue(true);

  it('a run is not started where nobody can be asked, unless --yes was given', async () => {
    quiet();
    vi.spyOn(process, 'stdin', 'get').mockReturnValue({ isTTY: false } as unknown as typeof process.stdin);
    const recipe = loadRecipe('scratch', dear);
    await expect(confirmEstimate(recipe, 1, pairs, {})).rejects.toMatchObject({
      type: 'Usage',
      message: expect.stringMatching(/above \$10\.00\. Nothing was started: add --yes/) as string,
    });
    await expect(confirmEstimate(loadRecipe('scratch'), 1, pairs, {})).rejects.toThrow(
      /oracle\.price.*--yes/,
    );
    expect((await confirmEstimate(recipe, 1, pairs, { yes: true })).usd).toBeGreaterThan(10);
  });

  it('one below it is', async () => {
    quiet();
    const cheap = loadRecipe('scratch', { 'oracle.price': price });
    expect((await confirmEstimate(cheap, 1, pairs, {})).usd).toBeLessThan(10);
  });
});
