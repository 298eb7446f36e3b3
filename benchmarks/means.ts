/** Means of shares, with intervals. */
import type { Interval } from './intervals.js';

/** A share, or a mean of shares. */
export interface Average extends Interval {
  accuracy: number;
}

/**
 * Σ weight · mean / Σ weight; the interval by square-and-add of the means' own (MOVER, Zou and Donner 2008).
 * @throws RangeError where there is nothing to average.
 */
export function weightedMean(parts: readonly { mean: Average; weight: number }[]): Average {
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  if (!(total > 0)) throw new RangeError('there is nothing to average');
  const accuracy = parts.reduce((sum, { mean, weight }) => sum + weight * mean.accuracy, 0) / total;
  const spread = (distance: (mean: Average) => number): number =>
    Math.sqrt(parts.reduce((sum, { mean, weight }) => sum + (weight * distance(mean)) ** 2, 0)) / total;
  return {
    accuracy,
    low: Math.max(0, accuracy - spread((mean) => mean.accuracy - mean.low)),
    high: Math.min(1, accuracy + spread((mean) => mean.high - mean.accuracy)),
  };
}

/** Arithmetic mean of `means`, each of one weight. */
export function meanOf(means: readonly Average[]): Average {
  return weightedMean(means.map((mean) => ({ mean, weight: 1 })));
}

/** The interval of the `pooled` judgements, around a mean of theirs that weights them otherwise. */
export function around(accuracy: number, pooled: Average): Average {
  return {
    accuracy,
    low: Math.max(0, accuracy - (pooled.accuracy - pooled.low)),
    high: Math.min(1, accuracy + (pooled.high - pooled.accuracy)),
  };
}
