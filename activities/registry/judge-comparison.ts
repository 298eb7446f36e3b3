/** Candidate against champion on the same items. */
import { comparePaired, type Judgement } from '../../benchmarks/index.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';

/** Small numbers of a paired comparison; differences are candidate − champion, as shares. */
export interface JudgeComparison {
  items: number;
  champion: number;
  candidate: number;
  difference: number;
  low: number;
  high: number;
  fixed: number;
  broken: number;
  /** Exact sign test over whole pairs: the two orders of one pair are not independent. */
  pValue: number;
}

/** Compare verdicts artefacts, joined by pair and order. Items of the style matrix do not count. */
export async function compareJudges(
  store: ArtifactStore,
  verdicts: { champion: readonly ArtifactRef[]; candidate: readonly ArtifactRef[] },
): Promise<JudgeComparison> {
  const [champion, candidate] = [await read(store, verdicts.champion), await read(store, verdicts.candidate)];
  const { judgements, before, after, difference, low, high, fixed, broken, byPair } = comparePaired(
    champion,
    candidate,
  );
  return {
    ...{ items: judgements, champion: before, candidate: after, difference, low, high, fixed, broken },
    pValue: byPair.pValue,
  };
}

async function read(store: ArtifactStore, refs: readonly ArtifactRef[]): Promise<Judgement[]> {
  const judgements: Judgement[] = [];
  for (const ref of refs) {
    for await (const line of store.openLines(ref)) {
      const judgement = line as Judgement;
      if (judgement.group === undefined) judgements.push(judgement);
    }
  }
  return judgements;
}
