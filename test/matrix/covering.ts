/** Which cells a short run takes: another choice for every seed, each choice as varied as its size allows. */
import type { Cell } from './cells.js';

/** Numbers in [0, 1) from a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The pairs of values that a cell covers. */
function pairsOf({ stage, moment, victim }: Cell): string[] {
  return [`${stage}|${moment}`, `${stage}|${victim}`, `${moment}|${victim}`, stage, moment, victim];
}

/** `count` existing cells, chosen greedily: each next one covers as many new pairs of values as any, ties by the seed. */
export function coveringSubset(cells: readonly Cell[], count: number, seed: number): Cell[] {
  const random = seeded(seed);
  const left = cells.filter(({ point }) => point).map((cell) => ({ cell, tie: random() }));
  const covered = new Set<string>();
  const chosen: Cell[] = [];
  while (chosen.length < count && left.length > 0) {
    const gain = ({ cell }: { cell: Cell }) => {
      const fresh = pairsOf(cell).filter((pair) => !covered.has(pair));
      // A value that was not seen at all counts more than a new pair of known ones.
      return fresh.reduce((sum, pair) => sum + (pair.includes('|') ? 1 : 10), 0);
    };
    left.sort((a, b) => gain(b) - gain(a) || a.tie - b.tie);
    const { cell } = left.shift()!;
    for (const pair of pairsOf(cell)) covered.add(pair);
    chosen.push(cell);
  }
  return chosen;
}

/** Days since 1970: the seed of a run that names none. */
export function seedOfToday(now = Date.now()): number {
  return Math.floor(now / 86_400_000);
}
