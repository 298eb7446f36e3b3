/** Items judged with the chosen answer at A and at B: does the judge look at the answers or at where they stand? */
import type { Proportion } from './intervals.js';
import { itemKey } from './item.js';
import { decisionOf } from './outcome.js';
import { proportion } from './position.js';
import type { VerdictRecord } from './verdict-record.js';

export interface OrderStats {
  /** Items judged in both orders. */
  items: number;
  /** Items judged in one order only; they do not enter the shares below, but for `shareOfA`. */
  single: number;
  /** Right in both orders: position-consistent accuracy as J1 counts it. */
  rightInBoth: Proportion;
  /** The same letter in both orders, so that the preferred answer changed with its place. */
  flipped: Proportion;
  /** Items with no decision for one answer in at least one order. */
  undecided: number;
  /** Decisions for A among those for one answer; one half is unbiased where every item is judged in both orders. */
  shareOfA: Proportion;
}

/** @throws RangeError where one order of an item stands twice. */
export function orderStats(records: readonly VerdictRecord[]): OrderStats {
  const decisions = new Map<string, Partial<Record<'A' | 'B', string>>>();
  let forA = 0;
  let decided = 0;
  for (const record of records) {
    const key = itemKey(record);
    const order = decisions.get(key) ?? {};
    if (order[record.gold] !== undefined)
      throw new RangeError(`item ${key} was judged twice with gold ${record.gold}`);
    const decision = decisionOf(record);
    order[record.gold] = decision;
    decisions.set(key, order);
    if (decision === 'A') forA += 1;
    if (decision === 'A' || decision === 'B') decided += 1;
  }
  const counts = { items: 0, right: 0, flipped: 0, undecided: 0 };
  for (const { A, B } of decisions.values()) {
    if (A === undefined || B === undefined) continue;
    counts.items += 1;
    if (![A, B].every((decision) => decision === 'A' || decision === 'B')) counts.undecided += 1;
    else if (A === B) counts.flipped += 1;
    else if (A === 'A') counts.right += 1;
  }
  return {
    items: counts.items,
    single: decisions.size - counts.items,
    rightInBoth: proportion(counts.right, counts.items),
    flipped: proportion(counts.flipped, counts.items),
    undecided: counts.undecided,
    shareOfA: proportion(forA, decided),
  };
}
