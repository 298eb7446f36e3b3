/** An interval that is too narrow makes a judge of luck look like a better one. */
import { describe, expect, it } from 'vitest';
import { meanOf, ShareCounter, weightedMean, wilson } from '../../benchmarks/index.js';

describe('a share of counted outcomes', () => {
  const counted = (outcomes: readonly [cluster: string, outcome: number][]) => {
    const counter = new ShareCounter();
    for (const [cluster, outcome] of outcomes) counter.add(cluster, outcome);
    return counter.share();
  };

  it('of nothing is none', () => expect(counted([])).toBeUndefined());

  it('is a mean of outcomes, halves among them', () => {
    const share = counted([
      ['1', 1],
      ['2', 0.5],
      ['3', 0],
      ['4', 0],
    ]);
    expect(share).toMatchObject({ accuracy: 0.375, count: 4 });
  });

  it('has the interval of as many trials where no two go together', () => {
    const single = Array.from({ length: 100 }, (_, i): [string, number] => [String(i), i % 2]);
    const { low, high } = counted(single)!;
    expect(low).toBeCloseTo(wilson(50, 100).low, 2);
    expect(high).toBeCloseTo(wilson(50, 100).high, 2);
  });

  it('has the interval of half as many where two of each always agree', () => {
    const twice = Array.from({ length: 100 }, (_, i): [string, number] => [String(i % 50), i % 2]);
    expect(counted(twice)).toEqual({ accuracy: 0.5, count: 100, ...wilson(25, 50) });
  });

  it('has the interval of fewer trials where those that go together agree more often than not', () => {
    const share = counted([
      ...[['a', 1] as [string, number], ['a', 1] as [string, number]],
      ...[['b', 0] as [string, number], ['b', 0] as [string, number]],
      ...[['c', 1] as [string, number], ['c', 0] as [string, number]],
      ...[['d', 0.5] as [string, number], ['d', 0.5] as [string, number]],
    ]);
    // By hand: variance 3.5 / 8 − 1 / 4 = 3 / 16, of the clusters 4 / 3 · 2 / 64 = 1 / 24; effect (1 / 24) / (3 / 128).
    const effect = 16 / 9;
    expect(share!.low).toBeCloseTo(wilson(4 / effect, 8 / effect).low, 12);
    expect(share!.high).toBeCloseTo(wilson(4 / effect, 8 / effect).high, 12);
  });

  it('has a narrower one where outcomes differ by halves only, as their variance is less', () => {
    const width = (values: readonly [number, number]) => {
      const { low, high } = counted(
        Array.from({ length: 100 }, (_, i): [string, number] => [String(i), values[i % 2]!]),
      )!;
      return high - low;
    };
    // Effects below one are not credited: halves are not taken for more than they are.
    expect(width([0.25, 0.75])).toBeCloseTo(width([0, 1]), 2);
  });
});

describe('a mean of means', () => {
  const a = { accuracy: 0.2, low: 0.1, high: 0.25 };
  const b = { accuracy: 0.8, low: 0.6, high: 0.9 };

  it('weighs them, and adds their distances in squares', () => {
    const { accuracy, low, high } = weightedMean([
      { mean: a, weight: 1 },
      { mean: b, weight: 3 },
    ]);
    expect(accuracy).toBeCloseTo(0.65, 12);
    expect(low).toBeCloseTo(0.65 - Math.hypot(0.1, 3 * 0.2) / 4, 12);
    expect(high).toBeCloseTo(0.65 + Math.hypot(0.05, 3 * 0.1) / 4, 12);
  });

  it('of one is itself, and of equal weights the average', () => {
    for (const [bound, value] of Object.entries(weightedMean([{ mean: b, weight: 7 }])))
      expect(value).toBeCloseTo(b[bound as 'low'], 12);
    const equal = meanOf([a, b]);
    expect(equal.low).toBeCloseTo(0.5 - Math.hypot(0.1, 0.2) / 2, 12);
    expect(equal.high).toBeCloseTo(0.5 + Math.hypot(0.05, 0.1) / 2, 12);
    expect(equal.accuracy).toBeCloseTo(0.5, 12);
  });

  it('stays a share at both ends', () => {
    const low = { accuracy: 0.01, low: -1, high: 0.02 };
    const high = { accuracy: 0.99, low: 0.98, high: 2 };
    expect(meanOf([low]).low).toBe(0);
    expect(meanOf([high]).high).toBe(1);
  });

  it('of nothing, or of no weight, is none', () => {
    expect(() => weightedMean([])).toThrow('there is nothing to average');
    expect(() => weightedMean([{ mean: a, weight: 0 }])).toThrow(RangeError);
  });
});
