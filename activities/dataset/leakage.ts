/** The check that no question or comparison of one split is known from another. */
import type { Pair } from '../../judge/pair.js';
import { BadDataError } from './bad-data.js';
import { comparisonKey, conversationKey } from './normalise.js';

export interface Leak {
  kind: 'conversation' | 'comparison';
  /** Split and id where the text stands first, and where it stands again. */
  first: { split: string; id: string };
  again: { split: string; id: string };
  /** Opening of the last turn. */
  excerpt: string;
}

export interface LeakOptions {
  /** Name of the data in messages. */
  source?: string;
  /**
   * What may not be shared. Default: both. `comparison` alone suits data whose problem is in the answers, so that
   * one question is asked many times on purpose.
   */
  kinds?: readonly Leak['kind'][];
}

/** Every pair of a later split whose normalised conversation or comparison stands in an earlier split. */
export function findLeaks(splits: Record<string, readonly Pair[]>, options: LeakOptions = {}): Leak[] {
  const { kinds = ['conversation', 'comparison'] } = options;
  const leaks: Leak[] = [];
  const seen = new Map<string, { split: string; id: string }>();
  for (const [split, pairs] of Object.entries(splits)) {
    for (const pair of pairs) {
      const keys = { conversation: conversationKey(pair.conversation), comparison: comparisonKey(pair) };
      let leaked = false;
      for (const kind of kinds) {
        const first = seen.get(kind + keys[kind]);
        if (!first) seen.set(kind + keys[kind], { split, id: pair.id });
        else if (first.split !== split && !leaked) {
          leaked = true;
          leaks.push({ kind, first, again: { split, id: pair.id }, excerpt: excerptOf(pair) });
        }
      }
    }
  }
  return leaks;
}

/**
 * Check splits against each other, by name.
 * @returns how many pairs of each split were compared.
 * @throws BadDataError listing what is shared.
 */
export function leakage(
  splits: Record<string, readonly Pair[]>,
  options: LeakOptions = {},
): Record<string, number> {
  const leaks = findLeaks(splits, options);
  if (leaks.length > 0) {
    const problems = leaks.map(({ kind, first, again, excerpt }) => ({
      message: `${again.split} pair "${again.id}" has the same ${kind} as ${first.split} pair "${first.id}" (“${excerpt}”); remove one of them`,
    }));
    throw new BadDataError(options.source ?? 'the splits', problems);
  }
  return Object.fromEntries(Object.entries(splits).map(([name, pairs]) => [name, pairs.length]));
}

function excerptOf(pair: Pair): string {
  const text = (pair.conversation.at(-1)?.content ?? '').replace(/\s+/g, ' ').trim();
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}
