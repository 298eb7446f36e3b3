/** What one verdict is worth. */
import type { Convention } from './conventions.js';
import type { RecordVerdict, VerdictRecord } from './verdict-record.js';

/** Points of each kind of verdict that is not simply right or wrong. */
export interface OutcomeRules {
  error: 0 | 0.5;
  tie: 0 | 0.5;
}

/** What an error and a tie count under these conventions, 0 to 1. */
export function outcomeRules(conventions: readonly Convention[]): OutcomeRules {
  return {
    error: conventions.includes('errors-half') ? 0.5 : 0,
    tie: conventions.includes('ties-lose') ? 0 : 0.5,
  };
}

/**
 * What the judge decided: its scores where it gave any (the larger one wins; `equal` where neither is), else its
 * verdict.
 */
export function decisionOf({ verdict, scores }: VerdictRecord): RecordVerdict | 'equal' {
  if (!scores) return verdict;
  const [a, b] = scores;
  if (a > b) return 'A';
  return b > a ? 'B' : 'equal';
}

/** 1 right, 0 wrong, or what `rules` say; equal scores do not prefer the chosen answer and are worth nothing. */
export function outcomeOf(record: VerdictRecord, rules: OutcomeRules): 0 | 0.5 | 1 {
  const decision = decisionOf(record);
  switch (decision) {
    case 'both':
    case 'none':
      return rules.error;
    case 'tie':
      return rules.tie;
    default:
      // Equal scores name no answer.
      return decision === record.gold ? 1 : 0;
  }
}

/** A verdict that names both answers or none, and no scores that decide. */
export function isError(record: VerdictRecord): boolean {
  const decision = decisionOf(record);
  return decision === 'both' || decision === 'none';
}
