import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { groupAdvantages } from '../../engine/loss/advantages.js';

describe('group advantages', () => {
  // Seven rollouts with ±1 rewards, k of them correct: (A of a correct one, A of a wrong one).
  it.each([
    [1, 2.267784, -0.377964],
    [2, 1.463849, -0.585539],
    [3, 1.069044, -0.801783],
    [4, 0.801783, -1.069044],
    [5, 0.585539, -1.463849],
    [6, 0.377964, -2.267784],
  ])('of seven with %i correct have the published six digits', (correct, right, wrong) => {
    const rewards = Array.from({ length: 7 }, (_, i) => (i < correct ? 1 : -1));
    groupAdvantages(rewards).forEach((advantage, i) => {
      expect(advantage.toFixed(6)).toBe((i < correct ? right : wrong).toFixed(6));
    });
  });

  it('are zero where all rewards are equal, even if their mean is not representable', () => {
    expect(groupAdvantages([1, 1, 1])).toEqual([0, 0, 0]);
    expect(groupAdvantages([0.1, 0.1, 0.1])).toEqual([0, 0, 0]);
  });

  it('sum to zero, keep the order and do not change when all rewards shift', () => {
    const rewards = fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(rewards, fc.integer({ min: -5, max: 5 }), (r, shift) => {
        const a = groupAdvantages(r);
        expect(a.reduce((x, y) => x + y, 0)).toBeCloseTo(0, 9);
        groupAdvantages(r.map((x) => x + shift)).forEach((x, i) => expect(x).toBeCloseTo(a[i]!, 9));
        for (let i = 1; i < r.length; i += 1)
          expect(Math.sign(a[i]! - a[i - 1]!)).toBe(Math.sign(r[i]! - r[i - 1]!));
      }),
    );
  });

  it('refuse a group of one', () => {
    expect(() => groupAdvantages([1])).toThrow('a group needs at least 2 rollouts to compare, not 1');
  });

  it('of two rewards are ±1/√2 whatever they are, and the ε that keeps the division finite shows in none', () => {
    for (const [low, high] of [
      [-1, 1],
      [0, 7],
    ] as const)
      expect(groupAdvantages([low, high])[1]).toBeCloseTo(Math.SQRT1_2, 5);
  });

  it('of rewards that hardly differ are damped by ε = 1e-6', () => {
    // std = 1e-6 / √2, so that A = 0.5e-6 / (std + 1e-6).
    expect(groupAdvantages([0, 1e-6])[1]).toBeCloseTo(0.5 / (Math.SQRT1_2 + 1), 9);
  });

  it('of Dr. GRPO are the distances from the mean, undivided', () => {
    expect(groupAdvantages([1, -1, -1, -1], false)).toEqual([1.5, -0.5, -0.5, -0.5]);
    expect(groupAdvantages([3, 3], false)).toEqual([0, 0]);
  });
});
