import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { etaOf, figuresText } from '../../client/progress/figures.js';
import {
  formatBar,
  formatCount,
  formatDuration,
  formatTable,
  formatUsd,
} from '../../client/progress/format.js';

describe('durations', () => {
  it.each([
    [0.04, '0.0 s'],
    [9.94, '9.9 s'],
    [9.96, '10 s'],
    [59.4, '59 s'],
    [59.6, '1m 00s'],
    [3_599.6, '1h 00m'],
    [86_400, '1d 0h'],
    [Number.NaN, '–'],
    [Number.POSITIVE_INFINITY, '–'],
    [-1, '–'],
  ])('%s seconds is %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  it('never shows 60 seconds or 60 minutes', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e7, noNaN: true }), (seconds) => {
        expect(formatDuration(seconds)).not.toMatch(/\b60( s|s|m)/);
      }),
    );
  });
});

describe('counts', () => {
  it.each([
    [0, '0'],
    [999.4, '999'],
    [999.6, '1.0k'],
    [12_345, '12.3k'],
    [999_960, '1.0M'],
    [4_600_000, '4.6M'],
  ])('%s is %s', (count, text) => expect(formatCount(count)).toBe(text));
});

describe('money', () => {
  it.each([
    [0, '$0.00'],
    [0.00012, '$0.0001'],
    [0.25, '$0.25'],
    [12, '$12.00'],
  ])('%s is %s', (amount, text) => expect(formatUsd(amount)).toBe(text));
});

describe('bars', () => {
  it('are full only when everything is done, and always as wide', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), fc.integer({ min: 1, max: 40 }), (done, total, width) => {
        const bar = formatBar(done, total, width);
        expect([...bar]).toHaveLength(width);
        expect(!bar.includes('░')).toBe(total > 0 && done >= total);
      }),
    );
  });
});

describe('estimated time', () => {
  it('is not shown before the first step, after the last one or without a finite value', () => {
    expect(etaOf({ step: 0, total: 10, etaSeconds: 5 })).toBeUndefined();
    expect(etaOf({ step: 10, total: 10, etaSeconds: 0 })).toBeUndefined();
    expect(etaOf({ step: 3, total: 10, etaSeconds: Number.POSITIVE_INFINITY })).toBeUndefined();
    expect(etaOf({ step: 3, total: 10, etaSeconds: 5 })).toBe(5);
  });

  it('stands behind loss or reward and the rate', () => {
    expect(
      figuresText({ step: 3, total: 60, reward: -0.25, kl: 0.0012, tokensPerSecond: 8123, etaSeconds: 61 }),
    ).toBe('3/60 · reward −0.25 · KL 0.0012 · 8.1k tok/s · ETA 1m 01s');
  });
});

describe('tables', () => {
  it('align their columns', () => {
    expect(
      formatTable(
        ['run', 'cost'],
        [
          ['a', '$1.00'],
          ['bbbb', '$12.00'],
        ],
        [1],
      ),
    ).toBe('run     cost\na      $1.00\nbbbb  $12.00');
  });
});
