import { describe, expect, it } from 'vitest';
import { stageMetrics } from '../../activities/training/stage-metrics.js';
import type { StepMetrics } from '../../engine/job.js';

const step = (index: number, more: Partial<StepMetrics> = {}) =>
  ({ step: index + 1, loss: 1 / (index + 1), tokens: 10, ...more }) as StepMetrics;

describe('the metrics of a training stage', () => {
  it('are the last loss, and the rewards of the first and the last ten steps', () => {
    const steps = Array.from({ length: 40 }, (_, index) => step(index, { reward: index }));
    expect(stageMetrics(steps)).toEqual({ steps: 40, loss: 1 / 40, reward: 34.5, rewardAtStart: 4.5 });
  });
  it('have no reward where there is none, and take what there is where steps are few', () => {
    expect(stageMetrics([step(0), step(1)])).toEqual({ steps: 2, loss: 1 / 2 });
    expect(stageMetrics([step(0, { accuracy: 0.5 }), step(1, { accuracy: 1 })]).accuracy).toBe(0.75);
    expect(stageMetrics([])).toEqual({ steps: 0 });
  });
});
