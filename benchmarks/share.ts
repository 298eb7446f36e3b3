/** Means of outcomes with intervals, and weighted means of such means. */
import { designEffect, wilson } from './intervals.js';
import type { Average } from './score.js';

/** A mean outcome of so many judged units. */
export interface Share extends Average {
  count: number;
}

/** Sums outcomes of units that may share their luck: orders of one item, cells of one prompt. */
export class ShareCounter {
  private readonly clusters = new Map<string, { trials: number; sum: number }>();
  private count = 0;
  private sum = 0;
  private squares = 0;

  /**
   * One more trial.
   * @param cluster units with the same name are not independent of each other.
   * @param outcome 0 to 1
   */
  add(cluster: string, outcome: number): void {
    const entry = this.clusters.get(cluster);
    if (entry) {
      entry.trials += 1;
      entry.sum += outcome;
    } else this.clusters.set(cluster, { trials: 1, sum: outcome });
    this.count += 1;
    this.sum += outcome;
    this.squares += outcome * outcome;
  }

  /** Undefined where nothing was added. Wilson's interval at the effective sample size. */
  share(): Share | undefined {
    const { count, sum } = this;
    if (count === 0) return undefined;
    const accuracy = sum / count;
    const effect = designEffect([...this.clusters.values()], this.squares / count - accuracy ** 2);
    return { accuracy, count, ...wilson(sum / effect, count / effect) };
  }
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

/** Get an entry, made where it is not there yet. */
export function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
