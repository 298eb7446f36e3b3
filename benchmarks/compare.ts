/** Two judges on the same items: what the second mended, what it broke, and whether that could be chance. */
import type { Interval, PairedCounts } from './intervals.js';
import { designEffect, exactBinomialTest, newcombePaired } from './intervals.js';
import type { Judgement } from './judgement.js';
import { clusterOf, isRight } from './score.js';

export interface PairedComparison extends PairedCounts, Interval {
  /** Judgements that both judges gave: same pair, same order. */
  judgements: number;
  /** Judgements of one judge without a counterpart; left out. */
  unmatched: number;
  /** Accuracies on the shared judgements. */
  before: number;
  after: number;
  /** after − before; `low` and `high` are Newcombe's paired interval at the effective sample size. */
  difference: number;
  /** Exact McNemar test, two-sided, over judgements. */
  pValue: number;
  /** Exact sign test over whole pairs (or style groups), whose judgements are not independent of each other. */
  byPair: { better: number; worse: number; same: number; pValue: number };
}

/**
 * Compare `after` with `before`, joined by pair and order.
 * @throws Error where a judge gave one item twice, or the judges share no item.
 */
export function comparePaired(before: readonly Judgement[], after: readonly Judgement[]): PairedComparison {
  const first = byItem(before);
  const second = byItem(after);
  const clusters = new Map<string, { trials: number; sum: number }>();
  const counts: PairedCounts = { bothRight: 0, fixed: 0, broken: 0, bothWrong: 0 };
  for (const [key, judgement] of second) {
    const earlier = first.get(key);
    if (!earlier) continue;
    const [was, is] = [isRight(earlier), isRight(judgement)];
    counts[is ? (was ? 'bothRight' : 'fixed') : was ? 'broken' : 'bothWrong'] += 1;
    const cluster = clusters.get(clusterOf(judgement)) ?? { trials: 0, sum: 0 };
    clusters.set(clusterOf(judgement), {
      trials: cluster.trials + 1,
      sum: cluster.sum + (is ? 1 : 0) - (was ? 1 : 0),
    });
  }
  const { bothRight, fixed, broken, bothWrong } = counts;
  const judgements = bothRight + fixed + broken + bothWrong;
  if (judgements === 0) throw new Error('the two judges have no judged item in common');
  const difference = (fixed - broken) / judgements;
  const variance = (fixed + broken) / judgements - difference ** 2;
  const effect = designEffect([...clusters.values()], variance);
  const sums = [...clusters.values()].map(({ sum }) => sum);
  const better = sums.filter((sum) => sum > 0).length;
  const worse = sums.filter((sum) => sum < 0).length;
  return {
    ...counts,
    judgements,
    unmatched: first.size + second.size - 2 * judgements,
    before: (bothRight + broken) / judgements,
    after: (bothRight + fixed) / judgements,
    difference,
    ...newcombePaired({
      bothRight: bothRight / effect,
      fixed: fixed / effect,
      broken: broken / effect,
      bothWrong: bothWrong / effect,
    }),
    pValue: exactBinomialTest(fixed, broken),
    byPair: { better, worse, same: sums.length - better - worse, pValue: exactBinomialTest(better, worse) },
  };
}

function byItem(judgements: readonly Judgement[]): Map<string, Judgement> {
  const items = new Map<string, Judgement>();
  for (const judgement of judgements) {
    const key = `${judgement.gold} ${judgement.pairId}`;
    if (items.has(key))
      throw new Error(`pair "${judgement.pairId}" was judged twice with gold ${judgement.gold}`);
    items.set(key, judgement);
  }
  return items;
}
