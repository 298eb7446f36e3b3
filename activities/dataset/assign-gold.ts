/** Which answer stands first: alternated, so that a judge that always says A gains nothing. */
import type { Pair, Position, PresentedPair } from '../../judge/pair.js';
import { present } from '../../judge/pair.js';
import { hashOf } from './normalise.js';

/**
 * Lay pairs out with the chosen answer at A and at B in turn, in a seeded order of their ids (RM-R1 alternates the
 * position in its training mix). A and B are balanced within one in each category and overall. The result has the
 * order of the input; a pair's position depends on the seed and the set of ids, not on file order.
 */
export function assignGold(pairs: readonly Pair[], seed: number): PresentedPair[] {
  const order = pairs
    .map(({ id, category }, index) => ({ category, key: hashOf('gold', seed, id), index }))
    .sort((a, b) => compare(a.category, b.category) || compare(a.key, b.key) || a.index - b.index);
  const golds = new Array<Position>(pairs.length);
  const offset = Number.parseInt(hashOf('gold', seed).slice(0, 2), 16) % 2;
  order.forEach(({ index }, rank) => {
    golds[index] = (rank + offset) % 2 === 0 ? 'A' : 'B';
  });
  return pairs.map((pair, index) => present(pair, golds[index] ?? 'A'));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
