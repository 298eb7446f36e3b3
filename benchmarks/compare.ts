/**
 * Two judges on a run's held-out pairs: what the second mended, what it broke, and whether that could be chance. By
 * formula, from counts alone (Newcombe's interval, which holds for few disagreements too); scores that weigh their
 * parts are compared by `compare-units.ts`.
 */
import type { Interval, PairedCounts } from './intervals.js';
import { designEffect, exactBinomialTest, newcombePaired } from './intervals.js';
import type { Judgement } from './judgement.js';
import { joinUnits, unitsOfJudgements } from './paired-units.js';

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
 * @throws RangeError where a judge gave one item twice, or the judges share no item.
 */
export function comparePaired(before: readonly Judgement[], after: readonly Judgement[]): PairedComparison {
  const { shared, onlyFirst, onlySecond } = joinUnits(unitsOfJudgements(before), unitsOfJudgements(after));
  const clusters = new Map<string, { trials: number; sum: number }>();
  const counts: PairedCounts = { bothRight: 0, fixed: 0, broken: 0, bothWrong: 0 };
  for (const { first, second } of shared) {
    const [was, is] = [first.outcome === 1, second.outcome === 1];
    counts[is ? (was ? 'bothRight' : 'fixed') : was ? 'broken' : 'bothWrong'] += 1;
    const cluster = clusters.get(second.cluster) ?? { trials: 0, sum: 0 };
    clusters.set(second.cluster, {
      trials: cluster.trials + 1,
      sum: cluster.sum + second.outcome - first.outcome,
    });
  }
  const { bothRight, fixed, broken, bothWrong } = counts;
  const judgements = shared.length;
  const difference = (fixed - broken) / judgements;
  const variance = (fixed + broken) / judgements - difference ** 2;
  const effect = designEffect([...clusters.values()], variance);
  const sums = [...clusters.values()].map(({ sum }) => sum);
  const better = sums.filter((sum) => sum > 0).length;
  const worse = sums.filter((sum) => sum < 0).length;
  return {
    ...counts,
    judgements,
    unmatched: onlyFirst + onlySecond,
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
