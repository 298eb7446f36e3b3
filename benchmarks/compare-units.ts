/**
 * Two judges on a benchmark: differences of its score with bootstrap intervals, exact McNemar tests, and what they come
 * to. The score may weigh its parts; plain accuracies are compared by `compare.ts`.
 */
import { exactBinomialTest } from './intervals.js';
import { joinUnits, type Unit } from './paired-units.js';

/** Resamples of the bootstrap; the interval's ends vary by about 1 % of its width from seed to seed. */
const RESAMPLES = 10_000;
const LEVEL = 0.95;

export interface Difference {
  /** Units that both judges judged. */
  count: number;
  /** Scores of the judges on them. */
  a: number;
  b: number;
  /** b − a with its 95 % interval: paired bootstrap over clusters within each part (percentiles). */
  difference: number;
  low: number;
  high: number;
  /** Units that only b has right, and that only a has right. */
  fixed: number;
  broken: number;
  /** Exact McNemar test on them, two-sided; units of one cluster are counted as if independent. */
  pValue: number;
}

export interface ComparisonOfRuns {
  /** Mean over the sections, as the benchmark scores. */
  score: Difference;
  sections: Record<string, Difference>;
  /** Units that only one of them judged; left out. */
  onlyA: number;
  onlyB: number;
  /** One plain sentence. */
  conclusion: string;
}

interface Cluster {
  count: number;
  a: number;
  b: number;
}
interface Part {
  section: string;
  weight: number;
  clusters: Cluster[];
}

/**
 * Compare b with a, joined by unit.
 * @param seed of the bootstrap
 * @throws RangeError where they share no unit, or a unit stands twice
 */
export function compareUnits(
  a: readonly Unit[],
  b: readonly Unit[],
  { seed = 0, names = ['A', 'B'] }: { seed?: number; names?: readonly [string, string] } = {},
): ComparisonOfRuns {
  const { shared, onlyFirst, onlySecond } = joinUnits(a, b, names);
  const parts = new Map<string, { section: string; weight: number; clusters: Map<string, Cluster> }>();
  const tallies = new Map<string, { count: number; fixed: number; broken: number }>();
  const all = { count: 0, fixed: 0, broken: 0 };
  for (const { first: other, second: unit } of shared) {
    const { stratum, section, weight, cluster } = unit;
    const part = parts.get(stratum) ?? { section, weight, clusters: new Map<string, Cluster>() };
    parts.set(stratum, part);
    const sums = part.clusters.get(cluster) ?? { count: 0, a: 0, b: 0 };
    part.clusters.set(cluster, {
      count: sums.count + 1,
      a: sums.a + other.outcome,
      b: sums.b + unit.outcome,
    });
    const tally = tallies.get(section) ?? { count: 0, fixed: 0, broken: 0 };
    tallies.set(section, tally);
    for (const counts of [tally, all]) {
      counts.count += 1;
      if (unit.outcome === 1 && other.outcome < 1) counts.fixed += 1;
      if (other.outcome === 1 && unit.outcome < 1) counts.broken += 1;
    }
  }
  const joined: Part[] = [...parts.values()].map((part) => ({
    ...part,
    clusters: [...part.clusters.values()],
  }));
  const { sections, score } = bootstrap(joined, seed);
  const withTests = (estimate: Estimate, counts: typeof all): Difference => ({
    ...estimate,
    ...counts,
    pValue: exactBinomialTest(counts.fixed, counts.broken),
  });
  const total = withTests(score, all);
  return {
    score: total,
    sections: Object.fromEntries(
      [...sections].map(([name, estimate]) => [name, withTests(estimate, tallies.get(name)!)]),
    ),
    onlyA: onlyFirst,
    onlyB: onlySecond,
    conclusion: conclude(total, names),
  };
}

interface Estimate {
  a: number;
  b: number;
  difference: number;
  low: number;
  high: number;
}

/** Point estimates, and percentile intervals of the differences over resampled clusters. */
function bootstrap(
  parts: readonly Part[],
  seed: number,
): { sections: Map<string, Estimate>; score: Estimate } {
  const names = [...new Set(parts.map(({ section }) => section))];
  const point = scoresOf(
    parts,
    names,
    parts.map(({ clusters }) => clusters.reduce(added, { count: 0, a: 0, b: 0 })),
  );
  const draws = names.map(() => new Float64Array(RESAMPLES));
  const overall = new Float64Array(RESAMPLES);
  const random = mulberry32(seed);
  for (let round = 0; round < RESAMPLES; round++) {
    const sums = parts.map(({ clusters }) => resample(clusters, random));
    const { sections } = scoresOf(parts, names, sums);
    let total = 0;
    sections.forEach(({ a, b }, index) => {
      draws[index]![round] = b - a;
      total += b - a;
    });
    overall[round] = total / names.length;
  }
  const estimate = ({ a, b }: { a: number; b: number }, sample: Float64Array): Estimate => ({
    a,
    b,
    difference: b - a,
    ...percentiles(sample),
  });
  return {
    sections: new Map(names.map((name, index) => [name, estimate(point.sections[index]!, draws[index]!)])),
    score: estimate(point.score, overall),
  };
}

/** Weighted means of the parts by section, and the mean of the sections. */
function scoresOf(parts: readonly Part[], names: readonly string[], sums: readonly Cluster[]) {
  const sections = names.map((name) => {
    let weight = 0;
    let a = 0;
    let b = 0;
    parts.forEach((part, index) => {
      if (part.section !== name) return;
      const { count, a: rightA, b: rightB } = sums[index]!;
      weight += part.weight;
      a += (part.weight * rightA) / count;
      b += (part.weight * rightB) / count;
    });
    return { a: a / weight, b: b / weight };
  });
  const mean = (of: (section: { a: number; b: number }) => number) =>
    sections.reduce((sum, section) => sum + of(section), 0) / sections.length;
  return { sections, score: { a: mean(({ a }) => a), b: mean(({ b }) => b) } };
}

function added(sum: Cluster, { count, a, b }: Cluster): Cluster {
  return { count: sum.count + count, a: sum.a + a, b: sum.b + b };
}

function resample(clusters: readonly Cluster[], random: () => number): Cluster {
  let count = 0;
  let a = 0;
  let b = 0;
  for (let i = 0; i < clusters.length; i++) {
    const cluster = clusters[Math.floor(random() * clusters.length)]!;
    count += cluster.count;
    a += cluster.a;
    b += cluster.b;
  }
  return { count, a, b };
}

function percentiles(sample: Float64Array): { low: number; high: number } {
  const sorted = sample.slice().sort();
  const tail = (1 - LEVEL) / 2;
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(share * (sorted.length - 1))))]!;
  return { low: at(tail), high: at(1 - tail) };
}

/** Mulberry32: 32 bits of state, ample for resampling; reproducible everywhere. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a reader may take away, no more. */
function conclude(
  { difference, low, high, pValue, count }: Difference,
  [a, b]: readonly [string, string],
): string {
  const points = (share: number) => `${(100 * Math.abs(share)).toFixed(1)}`;
  const signed = (share: number) => `${share < 0 ? '−' : '+'}${points(share)}`;
  const evidence = `95 % interval ${signed(low)} to ${signed(high)}; McNemar p ${pValue < 0.001 ? '< 0.001' : `= ${pValue.toFixed(3)}`}; ${count.toLocaleString('en')} shared judgements`;
  if (difference === 0 && low === 0 && high === 0) return `${b} and ${a} score the same (${evidence}).`;
  if (low > 0) return `${b} is better than ${a} by ${points(difference)} points (${evidence}).`;
  if (high < 0) return `${b} is worse than ${a} by ${points(difference)} points (${evidence}).`;
  return `No difference between ${b} and ${a} can be told from these items: ${signed(difference)} points (${evidence}).`;
}
