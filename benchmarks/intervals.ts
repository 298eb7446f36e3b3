/** Interval estimates and exact tests for shares of right judgements. Every level is 95 %, two-sided. */

export interface Interval {
  low: number;
  high: number;
}

/** A count out of a total with its 95 % interval. */
export interface Proportion extends Interval {
  count: number;
  total: number;
  share: number;
}

/** Normal quantile at 97.5 %. */
const Z = 1.959963984540054;

/**
 * Wilson score interval (Wilson 1927). Counts need not be whole: an effective sample size is one.
 * No trials give [0, 1].
 */
export function wilson(count: number, total: number): Interval {
  if (total <= 0) return { low: 0, high: 1 };
  const share = count / total;
  const z2 = (Z * Z) / total;
  const centre = (share + z2 / 2) / (1 + z2);
  const half = (Z / (1 + z2)) * Math.sqrt((share * (1 - share)) / total + z2 / (4 * total));
  // At 0 and 1 the bound is the share itself; rounding must not move it past.
  return {
    low: count <= 0 ? 0 : Math.max(0, centre - half),
    high: count >= total ? 1 : Math.min(1, centre + half),
  };
}

/** One group of trials that are not independent of each other: both orders of a pair, the cells of one prompt. */
export interface Cluster {
  trials: number;
  /** Sum of the outcomes. */
  sum: number;
}

/**
 * Design effect of clustered trials (Kish 1965): how many times the variance of the mean exceeds that of as many
 * independent trials. Ratio estimator over clusters against `variance` per trial; between 1 and the largest cluster.
 */
export function designEffect(clusters: readonly Cluster[], variance: number): number {
  const trials = clusters.reduce((sum, cluster) => sum + cluster.trials, 0);
  const largest = clusters.reduce((max, cluster) => Math.max(max, cluster.trials), 1);
  const count = clusters.length;
  // Without spread in the sample nothing is known of the correlation: take each cluster for one trial.
  if (count < 2 || variance <= 0) return Math.max(1, trials / Math.max(1, count));
  const mean = clusters.reduce((sum, cluster) => sum + cluster.sum, 0) / trials;
  const squares = clusters.reduce((sum, cluster) => sum + (cluster.sum - mean * cluster.trials) ** 2, 0);
  const clustered = ((count / (count - 1)) * squares) / trials ** 2;
  return Math.min(largest, Math.max(1, clustered / (variance / trials)));
}

/** Counts of a paired 2 × 2 table: `fixed` right only after, `broken` right only before. */
export interface PairedCounts {
  bothRight: number;
  fixed: number;
  broken: number;
  bothWrong: number;
}

/**
 * Interval of the paired difference of two proportions, after − before: Newcombe 1998 (Stat. Med. 17, 2635–2650),
 * method 10: Wilson intervals of both, joined with the continuity-corrected correlation. Counts need not be whole.
 */
export function newcombePaired({ bothRight, fixed, broken, bothWrong }: PairedCounts): Interval {
  const n = bothRight + fixed + broken + bothWrong;
  if (n <= 0) return { low: -1, high: 1 };
  const after = (bothRight + fixed) / n;
  const before = (bothRight + broken) / n;
  const a = wilson(bothRight + fixed, n);
  const b = wilson(bothRight + broken, n);
  const margins = (bothRight + fixed) * (broken + bothWrong) * (bothRight + broken) * (fixed + bothWrong);
  const cross = bothRight * bothWrong - fixed * broken;
  const corrected = cross > 0 ? Math.max(0, cross - n / 2) : cross;
  const phi = margins > 0 ? corrected / Math.sqrt(margins) : 0;
  const span = (x: number, y: number): number => Math.sqrt(Math.max(0, x * x - 2 * phi * x * y + y * y));
  return {
    low: after - before - span(after - a.low, b.high - before),
    high: after - before + span(a.high - after, before - b.low),
  };
}

/**
 * Exact two-sided binomial test of `first` against `second` at one half, p = min(1, 2 · P(X ≤ min)): with fixed and
 * broken counts McNemar's exact test, with better and worse counts the sign test. Summed in logarithms, no
 * approximation at any size.
 */
export function exactBinomialTest(first: number, second: number): number {
  const n = first + second;
  const least = Math.min(first, second);
  if (!Number.isInteger(n) || least < 0) throw new RangeError('counts must be whole and not negative');
  let logTerm = -n * Math.LN2;
  let logSum = logTerm;
  for (let i = 1; i <= least; i += 1) {
    logTerm += Math.log((n - i + 1) / i);
    logSum = Math.max(logSum, logTerm) + Math.log1p(Math.exp(-Math.abs(logSum - logTerm)));
  }
  return Math.min(1, 2 * Math.exp(logSum));
}
