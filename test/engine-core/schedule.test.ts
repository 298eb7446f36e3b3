import { describe, expect, it } from 'vitest';
import type { OptimizerSettings } from '../../engine/job.js';
import { optimizerSchema } from '../../engine/job.js';
import { learningRate } from '../../engine/optimizer/schedule.js';

const settings = (over: Partial<OptimizerSettings>): OptimizerSettings =>
  optimizerSchema.parse({ learningRate: 1, ...over });

describe('learning rate', () => {
  it('warms up linearly to the peak and never starts at zero', () => {
    const s = settings({ warmupSteps: 4 });
    expect([0, 1, 2, 3, 4].map((step) => learningRate(s, step, 10))).toEqual([0.25, 0.5, 0.75, 1, 1]);
  });

  it('decays linearly from the end of the warm-up to the final share', () => {
    const s = settings({ schedule: 'linear', warmupSteps: 2, finalShare: 0.5 });
    expect([2, 6, 10, 11].map((step) => learningRate(s, step, 10))).toEqual([1, 0.75, 0.5, 0.5]);
  });

  it('follows half a cosine', () => {
    const s = settings({ schedule: 'cosine', finalShare: 0.1 });
    expect(learningRate(s, 0, 10)).toBe(1);
    expect(learningRate(s, 5, 10)).toBeCloseTo(0.55, 12);
    expect(learningRate(s, 10, 10)).toBeCloseTo(0.1, 12);
  });

  it('holds the rate for the flat share, then decays linearly', () => {
    const s = settings({ schedule: 'flat-linear', flatShare: 0.6, finalShare: 0.05 });
    expect([0, 59, 60].map((step) => learningRate(s, step, 100))).toEqual([1, 1, 1]);
    expect(learningRate(s, 80, 100)).toBeCloseTo(0.525, 12);
    expect(learningRate(s, 100, 100)).toBeCloseTo(0.05, 12);
  });

  it('survives runs shorter than the warm-up or of one step', () => {
    for (const schedule of ['constant', 'linear', 'cosine', 'flat-linear'] as const) {
      for (const [step, total] of [
        [0, 1],
        [3, 4],
        [0, 0],
      ] as const) {
        const rate = learningRate(settings({ schedule, warmupSteps: 5 }), step, total);
        expect(rate).toBeGreaterThan(0);
        expect(rate).toBeLessThanOrEqual(1);
      }
    }
  });
});
