/** The lines of a pairs artefact: pairs with the position of the chosen answer already assigned. */
import type { Pair, Position, PresentedPair } from '../../judge/pair.js';
import { present } from '../../judge/pair.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';

export type PairLine = Pair & { gold: Position };

/** One line for storage. */
export function toLine({ pair, gold }: PresentedPair): PairLine {
  return { ...pair, gold };
}

/** The pairs `from` (inclusive) to `to` (exclusive) of an artefact, as they are shown to a judge. */
export async function readPairLines(
  store: ArtifactStore,
  ref: ArtifactRef,
  from = 0,
  to = Infinity,
): Promise<PresentedPair[]> {
  const shown: PresentedPair[] = [];
  let index = 0;
  for await (const line of store.openLines(ref)) {
    if (index >= to) break;
    if (index++ < from) continue;
    const { gold, ...pair } = line as PairLine;
    shown.push(present(pair, gold));
  }
  return shown;
}
