/** Scores that a pointwise judge writes, and what they say about a pair. */
import type { Verdict } from './verdict.js';

const SCORES = /<scores>([^<]*)<\/scores>/g;
const LOWEST = 1;
const HIGHEST = 10;

/**
 * The scores in the last `<scores>` tag of `text`: exactly `count` numbers from 1 to 10, whole or not. Undefined for
 * anything else: a wrong number of scores, one out of range, or no tag.
 */
export function parseScores(text: string, count: number): number[] | undefined {
  const last = [...text.matchAll(SCORES)].at(-1)?.[1];
  if (last === undefined) return undefined;
  const parts = last.split(/[,;\s]/).filter((part) => part !== '');
  const scores = parts.map((part) => (/^\d+(\.\d+)?$/.test(part) ? Number(part) : Number.NaN));
  const sound = scores.length === count && scores.every((score) => score >= LOWEST && score <= HIGHEST);
  return sound ? scores : undefined;
}

/** The verdict of two scores: the strictly higher one, `tie` for equal ones, `none` where there are no scores. */
export function verdictOfScores(scores: readonly [number, number] | undefined): Verdict | 'tie' {
  if (scores === undefined) return 'none';
  const [a, b] = scores;
  if (a === b) return 'tie';
  return a > b ? 'A' : 'B';
}

/** Sum over samples, answer by answer (DeepSeek-GRM voting); samples without scores do not count. */
export function sumScores(samples: readonly (readonly number[] | undefined)[]): number[] | undefined {
  let sums: number[] | undefined;
  for (const scores of samples) {
    if (scores === undefined) continue;
    sums = sums ? sums.map((sum, index) => sum + scores[index]!) : [...scores];
  }
  return sums;
}
