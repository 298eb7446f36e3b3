/** Means of outcomes with intervals. */
import { designEffect, wilson } from './intervals.js';
import type { Average } from './means.js';

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

/** Get an entry, made where it is not there yet. */
export function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
