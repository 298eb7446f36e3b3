import fc from 'fast-check';
import { expect, it } from 'vitest';
import { expectedVote, voteOf, type RecordVerdict } from '../../benchmarks/index.js';

const verdict = fc.constantFrom<RecordVerdict>('A', 'B', 'both', 'none', 'tie');
const samples = fc.array(verdict, { minLength: 1, maxLength: 7 });

const worth = (vote: RecordVerdict): number => (vote === 'A' ? 1 : vote === 'tie' ? 0.5 : 0);

/** All subsets of a size. */
function subsets<T>(items: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return items.flatMap((item, index) =>
    subsets(items.slice(index + 1), size - 1).map((rest) => [item, ...rest]),
  );
}

it.each([
  [['A', 'A', 'B'], 'A'],
  [['A', 'B'], 'tie'],
  [['none', 'both'], 'none'],
  [['B', 'none', 'both'], 'B'],
  [['tie', 'none'], 'tie'],
] as const)('the vote of %j is %s', (verdicts, vote) => {
  expect(voteOf(verdicts)).toBe(vote);
});

it('the curve is the mean over all subsets of that size, not an estimate of it', () => {
  fc.assert(
    fc.property(samples, fc.nat(), (verdicts, pick) => {
      const size = 1 + (pick % verdicts.length);
      const all = subsets(verdicts, size);
      const mean = all.reduce((sum, subset) => sum + worth(voteOf(subset)), 0) / all.length;
      expect(expectedVote(verdicts, 'A', size)).toBeCloseTo(mean, 10);
    }),
    { numRuns: 300 },
  );
});

it('a better-than-chance judge gains from more votes, a worse one loses', () => {
  const good: RecordVerdict[] = [...new Array<'A'>(14).fill('A'), ...new Array<'B'>(10).fill('B')];
  expect(expectedVote(good, 'A', 15)).toBeGreaterThan(expectedVote(good, 'A', 5));
  expect(expectedVote(good, 'B', 15)).toBeLessThan(expectedVote(good, 'B', 5));
});

it('refuses a vote of more samples than there are, or of none', () => {
  expect(() => expectedVote(['A'], 'A', 2)).toThrow(
    new RangeError('a vote of 2 needs as many samples, not 1'),
  );
  expect(() => expectedVote(['A'], 'A', 0)).toThrow(RangeError);
});
