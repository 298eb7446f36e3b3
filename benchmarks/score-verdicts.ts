/** From checked verdict records to the score of a benchmark: the one way for every judge and every file. */
import type { Convention } from './conventions.js';
import { CONVENTION_MEANING, DEFAULT_RULE } from './conventions.js';
import type { ItemIdentity } from './item.js';
import type { BenchmarkName } from './names.js';
import { itemKey } from './item.js';
import { decisionOf, isError } from './outcome.js';
import type { OrderStats } from './orders.js';
import { orderStats } from './orders.js';
import { REWARDBENCH_SUBSETS, scoreRewardBench } from './rewardbench.js';
import type { DomainScore, RmBenchDomain } from './rm-bench.js';
import { COMPARISONS_PER_PROMPT, RM_BENCH_SUBSETS, scoreRmBench } from './rm-bench.js';
import type { RmbSection } from './rmb.js';
import { listKey, RMB_ITEMS, rmbSectionOf, scoreRmb } from './rmb.js';
import type { Average } from './means.js';
import type { Share } from './share.js';
import type { StyleBand } from './style-matrix.js';
import type { VerdictRecord } from './verdict-record.js';

export interface ScoreOptions {
  conventions?: readonly Convention[];
  /** The items that were to be judged; absent: the full published benchmark. */
  items?: readonly ItemIdentity[];
  /** Every item may stand twice, with the chosen answer at A and at B. */
  bothOrders?: boolean;
}

/** What all benchmarks have in common. Shares are 0–1, intervals 95 %. */
export interface CommonScore {
  score: number;
  low: number;
  high: number;
  /** Items with a verdict. */
  items: number;
  /** Items without: of the data where it was given, else of the full benchmark. */
  missing: number;
  /** Missing items by subset; of RMB by section where no data was given. */
  missingBy: Record<string, number>;
  /** Verdicts that name both answers or none. */
  errors: number;
  /** Declared ties and equal scores. */
  ties: number;
  /** Rules that were applied, in words. */
  conventions: string[];
  /** What a reader must know before comparing the score with another. */
  notes: string[];
  /** Where every item was judged in both orders. */
  orders?: OrderStats;
}

export interface RewardBenchParts {
  benchmark: 'rewardbench';
  /** By name, each with its subsets. */
  sections: Record<string, Share & { subsets: Record<string, Share> }>;
  subsets: Record<string, Share>;
  /** All pairs of one weight. */
  micro: Share;
}

type Bands = Partial<Record<StyleBand, number>>;
/** Of the domains present. */
export type Domains = Partial<Record<RmBenchDomain, DomainScore>>;

/** The same figures under `sections` and beside it. */
export interface RmBenchParts extends Bands {
  benchmark: 'rm-bench';
  sections: Bands & { domains: Domains };
  domains: Domains;
}

export interface RmbParts {
  benchmark: 'rmb';
  sections: Partial<Record<RmbSection, Share>>;
  /** By category path. */
  subsets: Record<string, Share>;
  /** Best-of-N comparisons won, by section. */
  bonPairs: Partial<Record<RmbSection, Share>>;
}

/** The score of one judge on one benchmark. */
export type BenchmarkScore = CommonScore & (RewardBenchParts | RmBenchParts | RmbParts);

/**
 * Score records that `checkRecord` let pass, all of one benchmark, none twice.
 * @throws RangeError where nothing can be scored.
 */
export function scoreVerdicts(
  benchmark: BenchmarkName,
  records: readonly VerdictRecord[],
  options: ScoreOptions = {},
): BenchmarkScore {
  const { conventions = [], items, bothOrders = false } = options;
  if (records.length === 0) throw new RangeError('there are no verdicts to score');
  const judged = new Map(records.map((record) => [itemKey(record), record.subset]));
  const published = expectedItems(benchmark);
  const parts = judgedByPart(benchmark, judged);
  const missingBy = items
    ? missingOf(items, judged)
    : Object.fromEntries(
        published
          .map(([name, count]): [string, number] => [name, count - (parts.get(name) ?? 0)])
          .filter(([, count]) => count > 0),
      );
  const tooMany = published.filter(([name, count]) => (parts.get(name) ?? 0) > count);
  const missing = Object.values(missingBy).reduce((sum, count) => sum + count, 0);
  const { mean, details, incompleteLists } = partsOf(benchmark, records, options);
  const { accuracy, low, high } = mean;
  const orders = bothOrders ? orderStats(records) : undefined;
  return {
    score: accuracy,
    low,
    high,
    items: judged.size,
    missing,
    missingBy,
    errors: records.filter(isError).length,
    ties: records.filter((record) => ['tie', 'equal'].includes(decisionOf(record))).length,
    conventions: [DEFAULT_RULE, ...conventions.map((name) => `${name}: ${CONVENTION_MEANING[name]}`)],
    notes: notesOf(records, { missing, partial: !items, tooMany, incompleteLists, orders }),
    ...details,
    ...(orders && { orders }),
  };
}

interface Scored {
  mean: Average;
  details: RewardBenchParts | RmBenchParts | RmbParts;
  incompleteLists: number;
}

function partsOf(
  benchmark: BenchmarkName,
  records: readonly VerdictRecord[],
  { conventions = [], items, bothOrders = false }: ScoreOptions,
): Scored {
  if (benchmark === 'rewardbench') {
    const { score: mean, ...parts } = scoreRewardBench(records, conventions);
    return { mean, incompleteLists: 0, details: { benchmark, ...parts } };
  }
  if (benchmark === 'rm-bench') {
    const { score: mean, bands, domains } = scoreRmBench(records, conventions);
    const details: RmBenchParts = { benchmark, ...bands, domains, sections: { ...bands, domains } };
    return { mean, incompleteLists: 0, details };
  }
  const rivals = items && rivalsOf(items);
  const rmb = scoreRmb(records, { conventions, bothOrders, ...(rivals && { rivals }) });
  const { score: mean, incompleteLists, categories, ...parts } = rmb;
  return { mean, incompleteLists, details: { benchmark, ...parts, subsets: categories } };
}

function rivalsOf(items: readonly ItemIdentity[]): Map<string, number> {
  const rivals = new Map<string, number>();
  for (const { subset, group } of items) {
    if (group === undefined) continue;
    const key = listKey(subset, group);
    rivals.set(key, (rivals.get(key) ?? 0) + 1);
  }
  return rivals;
}

function missingOf(
  items: readonly ItemIdentity[],
  judged: ReadonlyMap<string, string>,
): Record<string, number> {
  const missing: Record<string, number> = {};
  for (const item of items) {
    if (!judged.has(itemKey(item))) missing[item.subset] = (missing[item.subset] ?? 0) + 1;
  }
  return missing;
}

/** Judged items by the parts whose totals are published: subsets, or sections of RMB. */
function judgedByPart(benchmark: BenchmarkName, judged: ReadonlyMap<string, string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const subset of judged.values()) {
    const part = benchmark === 'rmb' ? rmbSectionOf(subset)! : subset;
    counts.set(part, (counts.get(part) ?? 0) + 1);
  }
  return counts;
}

/** How many items each part of the full benchmark has. */
export function expectedItems(benchmark: BenchmarkName): [string, number][] {
  switch (benchmark) {
    case 'rewardbench':
      return [...REWARDBENCH_SUBSETS].map(([name, { items }]) => [name, items]);
    case 'rm-bench':
      return [...RM_BENCH_SUBSETS].map(([name, prompts]) => [name, COMPARISONS_PER_PROMPT * prompts]);
    case 'rmb':
      return Object.entries(RMB_ITEMS);
  }
}

interface Circumstances {
  missing: number;
  /** Judged against the whole benchmark, not against given data. */
  partial: boolean;
  /** Parts with more items than the benchmark has. */
  tooMany: [string, number][];
  incompleteLists: number;
  orders: OrderStats | undefined;
}

function notesOf(
  records: readonly VerdictRecord[],
  { missing, partial, tooMany, incompleteLists, orders }: Circumstances,
): string[] {
  const notes: string[] = [];
  if (missing > 0)
    notes.push(
      partial
        ? 'Not all of the benchmark was judged: the score is of the part that was, and not comparable with published ones.'
        : 'Not all items of the data were judged: the score is of those that were.',
    );
  if (incompleteLists > 0)
    notes.push(`${incompleteLists} best-of-N lists were left out: not every loser of theirs has a verdict.`);
  for (const [name, count] of tooMany)
    notes.push(`More items of ${name} than the ${count} of the published benchmark: is it another edition?`);
  const overruled = records.filter(
    (record) => record.scores && ['A', 'B'].includes(record.verdict) && decisionOf(record) !== record.verdict,
  ).length;
  if (overruled > 0)
    notes.push(`${overruled} records have scores that say other than their verdict; the scores decided.`);
  if (orders && orders.single > 0) notes.push(`${orders.single} items were judged in one order only.`);
  return notes;
}
