/** Several samples of one question: what their vote comes to, and how accuracy grows with their number. */
import type { RecordVerdict } from './verdict-record.js';

/** The answer named more often; `tie` where both are named equally often, `none` where neither is. */
export function voteOf(verdicts: readonly RecordVerdict[]): RecordVerdict {
  const a = verdicts.filter((verdict) => verdict === 'A').length;
  const b = verdicts.filter((verdict) => verdict === 'B').length;
  if (a === b) return a === 0 && !verdicts.includes('tie') ? 'none' : 'tie';
  return a > b ? 'A' : 'B';
}

/**
 * Expected outcome of a vote of `size` samples drawn without replacement from `verdicts`, exactly: a right vote counts 1,
 * a tie 0.5, everything else 0. One set of samples gives the whole curve, size 1 to all.
 */
export function expectedVote(verdicts: readonly RecordVerdict[], gold: 'A' | 'B', size: number): number {
  const total = verdicts.length;
  if (size < 1 || size > total) throw new RangeError(`a vote of ${size} needs as many samples, not ${total}`);
  const right = verdicts.filter((verdict) => verdict === gold).length;
  const wrong = verdicts.filter((verdict) => verdict === (gold === 'A' ? 'B' : 'A')).length;
  const ties = verdicts.filter((verdict) => verdict === 'tie').length;
  const silent = total - right - wrong - ties;
  let sum = 0;
  for (let r = 0; r <= Math.min(right, size); r++) {
    for (let w = 0; w <= Math.min(wrong, size - r); w++) {
      for (let t = 0; t <= Math.min(ties, size - r - w); t++) {
        const s = size - r - w - t;
        if (s > silent) continue;
        const value = r > w ? 1 : r === w && r + t > 0 ? 0.5 : 0;
        if (value === 0) continue;
        sum += value * choose(right, r) * choose(wrong, w) * choose(ties, t) * choose(silent, s);
      }
    }
  }
  return sum / choose(total, size);
}

/** Binomial coefficient; exact in doubles for the at most 64 samples an evaluation draws, to 15 digits. */
function choose(n: number, k: number): number {
  let result = 1;
  for (let i = 1; i <= k; i++) result = (result * (n - k + i)) / i;
  return result;
}
