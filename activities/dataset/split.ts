/** Train, validation and test by hash of the conversation, so that no question sits in two of them. */
import type { Pair } from '../../judge/pair.js';
import { BadDataError } from './bad-data.js';
import { comparisonKey, contentKey, conversationKey, hashOf, unitInterval } from './normalise.js';

export interface SplitOptions {
  /** Shares of the conversations, each at least 0, below 1 together. */
  validationShare: number;
  testShare: number;
  seed: number;
  source?: string;
}

export interface Splits {
  train: Pair[];
  validation: Pair[];
  test: Pair[];
}

/** Pairs without exact repetitions; the first stays. */
export function dedupePairs(pairs: readonly Pair[]): Pair[] {
  const seen = new Set<string>();
  return pairs.filter((pair) => {
    const key = contentKey(pair);
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

/**
 * Split by a seeded hash of the normalised conversation. Where a pair lands depends on its own text and the seed
 * only, not on its place in the file: data added later does not move earlier pairs between splits. Conversations
 * that share a comparison (same question, same answers) move together. Order within a split is that of the input.
 * @throws BadDataError where a split that was asked for stays empty.
 */
export function splitPairs(pairs: readonly Pair[], options: SplitOptions): Splits & { duplicates: number } {
  const { validationShare, testShare, seed, source = 'the pairs' } = options;
  if (validationShare < 0 || testShare < 0 || validationShare + testShare >= 1)
    throw new RangeError('validationShare and testShare must be at least 0 and below 1 together');
  const unique = dedupePairs(pairs);
  const placeOf = groupPlaces(unique, seed);
  const splits: Splits = { train: [], validation: [], test: [] };
  unique.forEach((pair, index) => {
    const place = placeOf[index] ?? 0;
    const name = place < testShare ? 'test' : place < testShare + validationShare ? 'validation' : 'train';
    splits[name].push(pair);
  });
  const wanted: [keyof Splits, number][] = [
    ['test', testShare],
    ['validation', validationShare],
    ['train', 1],
  ];
  for (const [name, share] of wanted) {
    if (share > 0 && splits[name].length === 0) {
      const conversations = new Set(unique.map(({ conversation }) => conversationKey(conversation))).size;
      const message = `${conversations} different conversations are too few for a ${name} split; give more pairs or change the shares (validation ${validationShare}, test ${testShare})`;
      throw new BadDataError(source, [{ message }]);
    }
  }
  return { ...splits, duplicates: pairs.length - unique.length };
}

/** For each pair a number in [0, 1): the least hash among the conversations it is tied to. */
function groupPlaces(pairs: readonly Pair[], seed: number): number[] {
  const parent = new Map<string, string>();
  const find = (key: string): string => {
    let root = key;
    for (let next = parent.get(root); next !== undefined && next !== root; next = parent.get(root))
      root = next;
    parent.set(key, root);
    return root;
  };
  const keys = pairs.map((pair) => conversationKey(pair.conversation));
  pairs.forEach((pair, index) => parent.set(find(keys[index] ?? ''), find(comparisonKey(pair))));
  const least = new Map<string, number>();
  keys.forEach((key) => {
    const root = find(key);
    least.set(root, Math.min(least.get(root) ?? 1, unitInterval(hashOf('split', seed, key))));
  });
  return keys.map((key) => least.get(find(key)) ?? 0);
}

/** The first `count` pairs in a seeded order of their content: a sample that does not depend on file order. */
export function firstInHashOrder(pairs: readonly Pair[], count: number, seed: number): Pair[] {
  if (pairs.length <= count) return [...pairs];
  const keyed = pairs.map((pair) => ({ pair, key: hashOf('take', seed, contentKey(pair)) }));
  return keyed
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .slice(0, count)
    .map(({ pair }) => pair);
}
