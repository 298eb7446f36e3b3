/** Which pairs the oracle is asked about: the first ones, within the quotas of their categories, each only once. */
import { createHash } from 'node:crypto';
import type { PresentedPair } from '../../judge/pair.js';
import type { Recipe } from '../../recipes/schema.js';

/**
 * Says of each pair, shown in the order of the data, whether it is sent to the oracle. Quotas limit what is sent, not
 * only what is kept, because what is sent is paid. A quota of `chat` counts `chat` and everything below `chat/`. A pair
 * that is shown exactly like an earlier one is left out.
 */
export function selector({ pairs, quotas }: Recipe['distill']): (presented: PresentedPair) => boolean {
  const left = new Map(Object.entries(quotas));
  const seen = new Set<string>();
  let chosen = 0;
  return (presented) => {
    if (chosen >= pairs) return false;
    const names = ancestors(presented.pair.category).filter((name) => left.has(name));
    if (names.some((name) => left.get(name) === 0)) return false;
    const content = contentOf(presented);
    if (seen.has(content)) return false;
    seen.add(content);
    for (const name of names) left.set(name, left.get(name)! - 1);
    chosen += 1;
    return true;
  };
}

/** `reasoning/math/add` → itself, `reasoning/math`, `reasoning`. */
function ancestors(category: string): string[] {
  const parts = category.split('/');
  return parts.map((_, index) => parts.slice(0, parts.length - index).join('/'));
}

function contentOf({ pair, answerA, answerB }: PresentedPair): string {
  const turns = pair.conversation.map(({ role, content }) => [role, content]);
  return createHash('sha256')
    .update(JSON.stringify([turns, answerA, answerB]))
    .digest('base64url')
    .slice(0, 22);
}
