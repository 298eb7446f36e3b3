/** Keys under which near-identical texts meet: what splitting, deduplication and the leakage check compare. */
import { createHash } from 'node:crypto';
import type { Message, Pair } from '../../judge/pair.js';

/** Hex sha256 of the parts, unambiguous whatever the parts contain. */
export function hashOf(...parts: (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

/** A number in [0, 1) from a hash, with 48 bits. */
export function unitInterval(hash: string): number {
  return Number.parseInt(hash.slice(0, 12), 16) / 2 ** 48;
}

/**
 * Text without what people vary by accident: case, width and compatibility forms, quotes, spacing, punctuation at
 * the end of words. Signs inside (`3-5`, `3.5`, `a*b`) carry meaning and stay.
 */
export function normaliseText(text: string): string {
  const folded = text.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim();
  const bare = folded
    .replace(/["'`´“”‘’«»]/g, '')
    .replace(/[.,;:!?…]+(?=\s|$)/g, '')
    .replace(/\s+/g, ' ')
    .trim();
  return bare || folded;
}

/** Normalising is the slow part of splitting; a pair's text is read-only, so its keys are kept while it lives. */
function remember<T extends object>(compute: (value: T) => string): (value: T) => string {
  const known = new WeakMap<T, string>();
  return (value) => {
    let key = known.get(value);
    if (key === undefined) known.set(value, (key = compute(value)));
    return key;
  };
}

/** Near-duplicate key of a conversation. */
export const conversationKey = remember((conversation: readonly Message[]) =>
  hashOf(...conversation.flatMap(({ role, content }) => [role, normaliseText(content)])),
);

/**
 * Near-duplicate key of a comparison: the last question and both answers in either order, whatever was said before.
 */
export const comparisonKey = remember((pair: Pair) => {
  const question = normaliseText(pair.conversation.at(-1)?.content ?? '');
  return hashOf(question, ...[normaliseText(pair.chosen), normaliseText(pair.rejected)].sort());
});

/** Exact content of a pair; also its default id. Categories, magnitudes and styles do not count. */
export function contentKey(pair: Pick<Pair, 'conversation' | 'chosen' | 'rejected'>): string {
  const turns = pair.conversation.flatMap(({ role, content }) => [role, content]);
  return hashOf(...turns, 'chosen', pair.chosen, 'rejected', pair.rejected);
}
