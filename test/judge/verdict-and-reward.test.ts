import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Position } from '../../judge/pair.js';
import { correctnessReward, oracleAgrees } from '../../judge/reward.js';
import { finalVerdict, otherPosition, parseVerdict } from '../../judge/verdict.js';

/** Pieces that matter to the rules, so that random texts hit every case instead of almost always `none`. */
const piece = fc.oneof(
  fc.constantFrom(
    '[[A]]',
    '[[B]]',
    '[[',
    ']]',
    '[[a]]',
    '[A]',
    '<answer>[[A]]</answer>',
    '<answer>[[B]]</answer>',
    '<answer> [[A]] </answer>',
    '<answer>\n[[B]]\n</answer>',
    '<answer>',
    '</answer>',
    ' A ',
    ' B ',
    '.'.repeat(30),
  ),
  fc.string({ maxLength: 25 }),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
);
const text = fc.array(piece, { maxLength: 9 }).map((pieces) => pieces.join(''));
const gold = fc.constantFrom<Position>('A', 'B');

const swap = (value: string): string => value.replace(/[AB]/g, (letter) => (letter === 'A' ? 'B' : 'A'));

describe('verdicts', () => {
  it('parse to exactly one of four, whatever the text', () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(text, (value) => {
        const verdict = parseVerdict(value);
        seen.add(verdict);
        const a = value.includes('[[A]]');
        const b = value.includes('[[B]]');
        expect([a && !b, b && !a, a && b, !a && !b].indexOf(true)).toBe(
          ['A', 'B', 'both', 'none'].indexOf(verdict),
        );
      }),
      { numRuns: 2000 },
    );
    expect([...seen].sort()).toEqual(['A', 'B', 'both', 'none']);
  });

  it('change sides when A and B change names', () => {
    fc.assert(
      fc.property(text, (value) => {
        expect(parseVerdict(swap(value))).toBe(swapVerdict(parseVerdict(value)));
      }),
      { numRuns: 1000 },
    );
  });

  it('look only at the window, counted in code points', () => {
    expect(finalVerdict(`[[A]]${'x'.repeat(10)}[[B]]`, 10)).toBe('B');
    expect(finalVerdict(`[[A]]${'x'.repeat(10)}[[B]]`, 20)).toBe('both');
    expect(finalVerdict(`[[A]]${'😀'.repeat(75)}`, 80)).toBe('A');
    expect(finalVerdict(`[[A]]${'😀'.repeat(76)}`, 80)).toBe('none');
  });
});

function swapVerdict(verdict: string): string {
  return verdict === 'A' || verdict === 'B' ? otherPosition(verdict) : verdict;
}

describe('the correctness reward', () => {
  it('never pays for an ending that names both, and never for both golds', () => {
    let paid = 0;
    fc.assert(
      fc.property(text, gold, (value, side) => {
        const reward = correctnessReward(value, side);
        if (reward !== 1) return;
        paid += 1;
        expect([...value].slice(-80).join('')).not.toContain(`[[${otherPosition(side)}]]`);
        expect(correctnessReward(value, otherPosition(side))).toBe(-1);
        expect(
          oracleAgrees(value, side) ||
            [...value]
              .slice(-100)
              .join('')
              .includes(`[[${otherPosition(side)}]]`),
        ).toBe(true);
      }),
      { numRuns: 3000 },
    );
    expect(paid).toBeGreaterThan(50);
  });

  it('stays the same when A and B change names in text and gold', () => {
    fc.assert(
      fc.property(text, gold, (value, side) => {
        expect(correctnessReward(swap(value), otherPosition(side))).toBe(correctnessReward(value, side));
        expect(oracleAgrees(swap(value), otherPosition(side))).toBe(oracleAgrees(value, side));
      }),
      { numRuns: 1000 },
    );
  });

  it.each([
    ['<answer>[[A]]</answer>', 'A', 1],
    ['<answer>[[A]]</answer>', 'B', -1],
    ['<answer> [[A]] </answer>', 'A', 1],
    ['[[A]]', 'A', -1],
    ['<answer>A</answer>', 'A', -1],
    ['', 'A', -1],
    ['<answer>[[A]]</answer><answer>[[B]]</answer>', 'A', -1],
    ['<answer>[[A]]</answer><answer>[[B]]</answer>', 'B', -1],
    [`<answer>[[A]]</answer>${'.'.repeat(58)}`, 'A', 1],
    [`<answer>[[A]]</answer>${'.'.repeat(59)}`, 'A', -1],
    [`<answer>[[A]]</answer>${'.'.repeat(59)}<answer>[[B]]</answer>`, 'B', 1],
  ] as const)('of %j with gold %s is %d', (value, side, reward) => {
    expect(correctnessReward(value, side)).toBe(reward);
  });

  it('has a wider window in the distillation filter, which needs no tag', () => {
    expect(oracleAgrees(`[[B]]${'.'.repeat(95)}`, 'B')).toBe(true);
    expect(oracleAgrees(`[[B]]${'.'.repeat(96)}`, 'B')).toBe(false);
    expect(oracleAgrees('[[A]] [[B]]', 'B')).toBe(false);
  });
});
