/** Accuracy of a judge: overall, per section and per category, each judgement counted once. */
import type { Interval } from './intervals.js';
import { designEffect, wilson } from './intervals.js';
import type { Judgement } from './judgement.js';
import { meanOf, type Average } from './means.js';

/**
 * A share of right judgements. Both orders of a pair are two judgements. The interval is Wilson's at the effective
 * sample size: judgements of one pair (or of one style group) are not independent, and are not counted as if.
 */
export interface Score extends Interval {
  right: number;
  total: number;
  accuracy: number;
  /** Judgements naming both answers or none: wrong, and counted here too. */
  both: number;
  none: number;
}

export interface SectionScore {
  name: string;
  score: Score;
  categories: { name: string; score: Score }[];
}

export interface AccuracyTable {
  /** All judgements, each counted once. */
  overall: Score;
  /** By name. */
  sections: SectionScore[];
  /** Mean of the sections, each of one weight, as in RewardBench. */
  average: Average;
}

/** A verdict that names both answers, or none, is wrong (RM-R1's evaluation rule). */
export function isRight(judgement: Judgement): boolean {
  return judgement.verdict === judgement.gold;
}

/** What a judgement shares its luck with: its style group, else its pair. */
export function clusterOf({ group, pairId }: Judgement): string {
  return group ?? pairId;
}

/** Section of a category: what stands before the first `/`. */
export function sectionOf(category: string): string {
  return category.split('/', 1)[0] ?? category;
}

/** @throws RangeError where there is nothing to score. */
export function scoreJudgements(judgements: readonly Judgement[]): Score {
  if (judgements.length === 0) throw new RangeError('there are no judgements to score');
  const clusters = new Map<string, { trials: number; sum: number }>();
  let right = 0;
  for (const judgement of judgements) {
    const cluster = clusters.get(clusterOf(judgement)) ?? { trials: 0, sum: 0 };
    const outcome = isRight(judgement) ? 1 : 0;
    right += outcome;
    clusters.set(clusterOf(judgement), { trials: cluster.trials + 1, sum: cluster.sum + outcome });
  }
  const total = judgements.length;
  const accuracy = right / total;
  const effect = designEffect([...clusters.values()], accuracy * (1 - accuracy));
  return {
    right,
    total,
    accuracy,
    ...wilson(right / effect, total / effect),
    both: judgements.filter(({ verdict }) => verdict === 'both').length,
    none: judgements.filter(({ verdict }) => verdict === 'none').length,
  };
}

/** The table of one judge. Sections and categories are in alphabetical order. */
export function accuracyTable(judgements: readonly Judgement[]): AccuracyTable {
  const sections = [...groupBy(judgements, ({ category }) => sectionOf(category))].map(([name, items]) => ({
    name,
    score: scoreJudgements(items),
    categories: [...groupBy(items, ({ category }) => category)].map(([category, members]) => ({
      name: category,
      score: scoreJudgements(members),
    })),
  }));
  return {
    overall: scoreJudgements(judgements),
    sections,
    average: meanOf(sections.map(({ score }) => score)),
  };
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group) group.push(item);
    else groups.set(key(item), [item]);
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)));
}
