import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hashId, philox, samplingUniforms, shuffledOrder } from '../../engine/data/random.js';

const hex = (words: readonly number[]) => words.map((w) => w.toString(16).padStart(8, '0'));

describe('counter-based randomness', () => {
  it('matches the known answers published with Random123 (philox4x32-10)', () => {
    expect(hex(philox([0, 0, 0, 0], 0, 0))).toEqual(['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']);
    const ones = 0xffffffff;
    expect(hex(philox([ones, ones, ones, ones], ones, ones))).toEqual([
      '408f276d',
      '41c83b0e',
      'a20bc7c6',
      '6d5451fd',
    ]);
    expect(hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], 0xa4093822, 0x299f31d0))).toEqual([
      'd16cfe09',
      '94fdcceb',
      '5001e420',
      '24126ea1',
    ]);
  });

  it('draws the same uniforms however the positions are split into runs', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat(1000),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 40 }),
        (seed, step, length, cut) => {
          const key = { seed, step, prompt: hashId('item'), sample: 3 };
          const whole = new Float32Array(length);
          samplingUniforms(key, 0, whole);
          const parts = new Float32Array(length);
          const at = Math.min(cut, length);
          samplingUniforms(key, 0, parts.subarray(0, at));
          samplingUniforms(key, at, parts.subarray(at));
          expect(parts).toEqual(whole);
          expect(whole.every((u) => u >= 0 && u < 1)).toBe(true);
        },
      ),
    );
  });

  it('gives every seed, step, prompt and sample a stream of its own', () => {
    const draw = (seed: number, step: number, prompt: number, sample: number) => {
      const out = new Float32Array(4);
      samplingUniforms({ seed, step, prompt, sample }, 0, out);
      return [...out].join();
    };
    const base = [7, 1, 2, 3] as const;
    const variants = base.map(
      (_, i) => base.map((v, j) => (i === j ? v + 1 : v)) as [number, number, number, number],
    );
    const far = [7 + 2 ** 32, 1, 2, 3] as const;
    expect(new Set([draw(...base), ...variants.map((v) => draw(...v)), draw(...far)]).size).toBe(6);
  });

  it('is uniform: mean and variance of 100,000 draws', () => {
    const draws = new Float32Array(100_000);
    samplingUniforms({ seed: 1, step: 0, prompt: 0, sample: 0 }, 0, draws);
    const mean = draws.reduce((a, b) => a + b) / draws.length;
    const variance = draws.reduce((a, b) => a + (b - mean) ** 2, 0) / draws.length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.005);
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(0.002);
  });

  it('shuffles to a permutation that depends on seed and epoch only', () => {
    fc.assert(
      fc.property(fc.nat(300), fc.nat(), fc.nat(100), (count, seed, epoch) => {
        const order = shuffledOrder(count, seed, epoch);
        expect([...order].sort((a, b) => a - b)).toEqual([...Array(count).keys()]);
        expect(shuffledOrder(count, seed, epoch)).toEqual(order);
      }),
    );
    expect(shuffledOrder(100, 1, 0)).not.toEqual(shuffledOrder(100, 1, 1));
    expect(shuffledOrder(100, 1, 0)).not.toEqual(shuffledOrder(100, 2, 0));
  });
});
