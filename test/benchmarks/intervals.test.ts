import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { designEffect, exactBinomialTest, newcombePaired, wilson } from '../../benchmarks/index.js';

const counts = fc.record({
  bothRight: fc.nat(200),
  fixed: fc.nat(200),
  broken: fc.nat(200),
  bothWrong: fc.nat(200),
});

describe('Wilson interval', () => {
  // 81 of 263 and its bounds .2553–.3662 are Newcombe's published example (Stat. Med. 1998, 17, 857–872).
  it.each([
    [81, 263, 0.2552885198782742, 0.36620957698280004],
    [8, 10, 0.4901624715366417, 0.9433178485456247],
    [0, 10, 0, 0.27753279986288926],
    [10, 10, 0.7224672001371107, 1],
    [1362, 1400, 0.9629648662130564, 0.9801615756518495],
  ])('%i of %i', (count, total, low, high) => {
    expect(wilson(count, total).low).toBeCloseTo(low, 12);
    expect(wilson(count, total).high).toBeCloseTo(high, 12);
  });

  it('holds the share, stays within 0 and 1, and mirrors', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5000 }), fc.nat(5000), (total, seed) => {
        const count = seed % (total + 1);
        const { low, high } = wilson(count, total);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual(count / total);
        expect(high).toBeGreaterThanOrEqual(count / total);
        expect(wilson(total - count, total).low).toBeCloseTo(1 - high, 12);
      }),
    );
  });

  it('knows nothing of no trials', () => expect(wilson(0, 0)).toEqual({ low: 0, high: 1 }));
});

describe('exact two-sided binomial test (McNemar)', () => {
  // By exact fractions: 2 · Σ C(n, i) / 2^n. For 5:0 that is 2/32, for 8:2 it is 2·56/1024, for 10:1 it is 2·12/2048.
  it.each([
    [0, 0, 1],
    [1, 0, 1],
    [3, 3, 1],
    [5, 0, 2 / 32],
    [8, 2, (2 * 56) / 1024],
    [10, 1, (2 * 12) / 2048],
    [101, 70, 0.021506542463250306],
    [1500, 1300, 0.0001684116226437612],
  ])('%i against %i', (fixed, broken, p) => {
    expect(exactBinomialTest(fixed, broken) / p).toBeCloseTo(1, 9);
    expect(exactBinomialTest(broken, fixed)).toBe(exactBinomialTest(fixed, broken));
  });

  it('is a probability at any size', () => {
    fc.assert(
      fc.property(fc.nat(4000), fc.nat(4000), (fixed, broken) => {
        const p = exactBinomialTest(fixed, broken);
        expect(p).toBeGreaterThanOrEqual(0);
        expect(p).toBeLessThanOrEqual(1);
        if (fixed > broken) expect(exactBinomialTest(fixed + 1, broken)).toBeLessThanOrEqual(p);
      }),
    );
  });

  it('refuses counts that are not whole', () => {
    const refusal = new RangeError('counts must be whole and not negative');
    expect(() => exactBinomialTest(1.5, 1)).toThrow(refusal);
    expect(() => exactBinomialTest(3, -1)).toThrow(refusal);
  });
});

describe("Newcombe's paired interval, method 10", () => {
  // Bounds from the published formula, worked independently with 40 decimal digits.
  it.each([
    [[36, 12, 2, 0], 0.05692958400323881, 0.3404276029749407],
    [[20, 12, 2, 16], 0.056156424841748286, 0.32920699540014053],
    [[0, 0, 0, 30], -0.11351339317396877, 0.11351339317396877],
    [[54, 0, 0, 0], -0.0664135880908964, 0.0664135880908964],
    [[1161, 101, 70, 68], 0.0038014026312425146, 0.04064678136404652],
    [[1, 97, 1, 1], 0.8736721762007448, 0.9850257703740077],
  ] as const)('%j', ([bothRight, fixed, broken, bothWrong], low, high) => {
    const interval = newcombePaired({ bothRight, fixed, broken, bothWrong });
    expect(interval.low).toBeCloseTo(low, 12);
    expect(interval.high).toBeCloseTo(high, 12);
  });

  it('knows nothing of no pairs', () =>
    expect(newcombePaired({ bothRight: 0, fixed: 0, broken: 0, bothWrong: 0 })).toEqual({
      low: -1,
      high: 1,
    }));

  it('holds the difference and mirrors when the judges change places', () => {
    fc.assert(
      fc.property(counts, (table) => {
        const total = table.bothRight + table.fixed + table.broken + table.bothWrong;
        fc.pre(total > 0);
        const difference = (table.fixed - table.broken) / total;
        const { low, high } = newcombePaired(table);
        expect(low).toBeLessThanOrEqual(difference + 1e-12);
        expect(high).toBeGreaterThanOrEqual(difference - 1e-12);
        const mirrored = newcombePaired({ ...table, fixed: table.broken, broken: table.fixed });
        expect(mirrored.low).toBeCloseTo(-high, 12);
      }),
    );
  });
});

describe('design effect', () => {
  const half = 0.25;
  it('is one for single trials', () => {
    const clusters = Array.from({ length: 100 }, (_, i) => ({ trials: 1, sum: i % 2 }));
    expect(designEffect(clusters, half)).toBeCloseTo(1, 1);
  });
  it('is two where both orders of a pair always agree: 100 judgements are worth 50', () => {
    const clusters = Array.from({ length: 50 }, (_, i) => ({ trials: 2, sum: 2 * (i % 2) }));
    expect(designEffect(clusters, half)).toBe(2);
  });
  it('does not claim more than was judged where both orders always disagree', () => {
    expect(designEffect(Array(50).fill({ trials: 2, sum: 1 }), half)).toBe(1);
  });
  it('is that of the ratio estimator, of two clusters already', () => {
    // By hand: 2 / 1 · (1² + 1²) / 8² = 1 / 16 against 1 / 4 / 8.
    const two = [
      { trials: 4, sum: 3 },
      { trials: 4, sum: 1 },
    ];
    expect(designEffect(two, half)).toBeCloseTo(2, 12);
  });
  it('takes each cluster for one trial where nothing varies', () => {
    expect(designEffect(Array(50).fill({ trials: 2, sum: 2 }), 0)).toBe(2);
  });
});
