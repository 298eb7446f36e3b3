/** Does the judge look at the answers or at where they stand? */
import type { Proportion } from './intervals.js';
import { wilson } from './intervals.js';
import type { Judgement } from './judgement.js';
import { isRight } from './score.js';

export interface PositionStats {
  /** Pairs judged in both orders; the four counts below sum to it. */
  pairs: number;
  /** Right in both orders: position-consistent accuracy as J1 counts it. */
  rightInBoth: Proportion;
  /** The rejected answer preferred in both orders. */
  wrongInBoth: number;
  /** The same letter in both orders, so that the preferred answer changed with its place. */
  flipped: Proportion;
  /** A verdict missing, or naming both answers, in at least one order. */
  undecided: number;
  /** Verdicts for A among those that name one answer; one half is unbiased, since every gold stands at A and B. */
  shareOfA: Proportion;
}

/** @throws Error where one order of a pair was judged twice. */
export function positionStats(judgements: readonly Judgement[]): PositionStats {
  const orders = new Map<string, Partial<Record<'A' | 'B', Judgement>>>();
  for (const judgement of judgements) {
    const order = orders.get(judgement.pairId) ?? {};
    if (order[judgement.gold])
      throw new Error(`pair "${judgement.pairId}" was judged twice with gold ${judgement.gold}`);
    orders.set(judgement.pairId, { ...order, [judgement.gold]: judgement });
  }
  const counts = { right: 0, wrong: 0, flipped: 0, undecided: 0 };
  let pairs = 0;
  let decided = 0;
  let forA = 0;
  for (const { A, B } of orders.values()) {
    for (const judgement of [A, B]) {
      if (judgement?.verdict === 'A') forA += 1;
      if (judgement?.verdict === 'A' || judgement?.verdict === 'B') decided += 1;
    }
    if (!A || !B) continue;
    pairs += 1;
    counts[outcomeOf(A, B)] += 1;
  }
  return {
    pairs,
    rightInBoth: proportion(counts.right, pairs),
    wrongInBoth: counts.wrong,
    flipped: proportion(counts.flipped, pairs),
    undecided: counts.undecided,
    shareOfA: proportion(forA, decided),
  };
}

function outcomeOf(atA: Judgement, atB: Judgement): 'right' | 'wrong' | 'flipped' | 'undecided' {
  const decided = [atA, atB].every(({ verdict }) => verdict === 'A' || verdict === 'B');
  if (!decided) return 'undecided';
  if (isRight(atA) !== isRight(atB)) return 'flipped';
  return isRight(atA) ? 'right' : 'wrong';
}

/** A share with Wilson's interval; a total of zero has share 0 and the interval [0, 1]. */
export function proportion(count: number, total: number): Proportion {
  return { count, total, share: total > 0 ? count / total : 0, ...wilson(count, total) };
}
