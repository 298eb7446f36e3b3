/** What the oracle says to a prompt that wants scores: from the same truth as its verdicts on pairs. */
import { solve } from '../../world/index.js';
import type { ShownReplies } from '../../judge/prompt/pointwise-v1.js';
import type { LabelBook } from './labels.js';

const LOWEST = 2;
const HIGHEST = 9;
/** Of a reply that cannot be compared with any other. */
const UNKNOWN = 5;

/** Scores from 2 to 9 by the share of known comparisons won; with `errs` the ranking is turned around. */
export function pointwiseAnswer(
  { conversation, replies }: ShownReplies,
  labels: LabelBook,
  errs: boolean,
): { text: string; source: 'solver' | 'gold-label' } {
  let fromLabel = false;
  const scores = replies.map((reply, index) => {
    let known = 0;
    let won = 0;
    replies.forEach((other, place) => {
      if (place === index) return;
      const label = labels.gold(conversation, reply, other);
      const verdict = label ?? solve(conversation, reply, other)?.verdict;
      if (label !== undefined) fromLabel = true;
      if (verdict === undefined) return;
      known += 1;
      if ((verdict === 'A') !== errs) won += 1;
    });
    return known === 0 ? UNKNOWN : LOWEST + Math.round(((HIGHEST - LOWEST) * won) / known);
  });
  const critique = scores.map((score, index) => `Reply ${index + 1} deserves ${score}.`).join(' ');
  return {
    text: `<principles> It must be right and do what was asked (100 %). </principles>\n<critique> ${critique} </critique>\n<scores>${scores.join(', ')}</scores>`,
    source: fromLabel ? 'gold-label' : 'solver',
  };
}
