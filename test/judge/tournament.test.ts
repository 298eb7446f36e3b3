import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { knockout, roundRobin, type Compare } from '../../judge/tournament.js';

/** A judge that always prefers the answer of higher strength, and counts its comparisons. */
function fair(strengths: readonly number[]): { compare: Compare; seen: string[] } {
  const seen: string[] = [];
  return {
    seen,
    compare: async (first, second) => {
      seen.push([first, second].sort((a, b) => a - b).join('-'));
      const [a, b] = [strengths[first]!, strengths[second]!];
      return a === b ? 'tie' : a > b ? 'first' : 'second';
    },
  };
}

const distinct = fc.uniqueArray(fc.integer(), { minLength: 2, maxLength: 13 });

describe('tournaments', () => {
  it('a round robin ranks by strength and asks each pair once', async () => {
    await fc.assert(
      fc.asyncProperty(distinct, async (strengths) => {
        const { compare, seen } = fair(strengths);
        const { ranking, scores } = await roundRobin(strengths.length, compare);
        const expected = strengths.map((_, index) => index).sort((a, b) => strengths[b]! - strengths[a]!);
        expect(ranking).toEqual(expected);
        expect(new Set(seen).size).toBe((strengths.length * (strengths.length - 1)) / 2);
        expect(seen).toHaveLength(new Set(seen).size);
        expect(scores.reduce((sum, score) => sum + score, 0)).toBeCloseTo(strengths.length / 2);
      }),
      { numRuns: 100 },
    );
  });

  it('a knockout finds the best with n − 1 comparisons, whatever n', async () => {
    await fc.assert(
      fc.asyncProperty(distinct, async (strengths) => {
        const { compare, seen } = fair(strengths);
        const { ranking, scores } = await knockout(strengths.length, compare);
        expect(strengths[ranking[0]!]).toBe(Math.max(...strengths));
        expect(scores[ranking[0]!]).toBe(1);
        expect(seen).toHaveLength(strengths.length - 1);
      }),
      { numRuns: 100 },
    );
  });

  it('equal answers share the points of a round robin', async () => {
    const { scores } = await roundRobin(3, fair([1, 1, 1]).compare);
    expect(scores).toEqual([0.5, 0.5, 0.5]);
  });

  it('a knockout of five that nobody wins is decided for the answers given first, who have the byes', async () => {
    const { scores, ranking, comparisons } = await knockout(5, fair([1, 1, 1, 1, 1]).compare);
    expect(comparisons.map(({ first, second }) => [first, second])).toEqual([
      [3, 4],
      [0, 1],
      [2, 3],
      [0, 2],
    ]);
    // Rounds that each survived, of three.
    expect(scores.map((score) => 3 * score)).toEqual([3, 1, 2, 1, 0]);
    expect(ranking).toEqual([0, 2, 1, 3, 4]);
  });

  it('a round robin says what was compared, and equal scores stay in the order given', async () => {
    const { ranking, scores, comparisons } = await roundRobin(3, fair([1, 2, 1]).compare);
    expect(comparisons).toEqual([
      { first: 0, second: 1, outcome: 'second' },
      { first: 0, second: 2, outcome: 'tie' },
      { first: 1, second: 2, outcome: 'first' },
    ]);
    expect(scores).toEqual([0.25, 1, 0.25]);
    expect(ranking).toEqual([1, 0, 2]);
  });

  it('a single answer has nobody to lose against', async () => {
    expect((await roundRobin(1, fair([1]).compare)).scores).toEqual([1]);
    expect((await knockout(1, fair([1]).compare)).scores).toEqual([1]);
  });
});
