/** The registry's activities, bound to what they need. */
import type { Client } from '@temporalio/client';
import { recipeSchema } from '../../recipes/schema.js';
import { UserError } from '../../workflows/errors.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { adoptStages } from './adopt-stages.js';
import { promote, readChampion } from './champion.js';
import { hubPairs } from './hub-pairs.js';
import type { JudgedCandidate, RegistryActivities, StandingChampion } from './interface.js';
import { compareJudges } from './judge-comparison.js';
import { watchedPairs } from './new-pairs.js';

export function registryActivities(store: ArtifactStore, client: Client): RegistryActivities {
  return {
    readChampion: ({ alias }) => standing(store, alias),
    findNewPairs: ({ prefix, seen }) => watchedPairs(store, prefix, seen),
    findNewHubPairs: ({ watched, seen }) => hubPairs(store, watched, seen),
    describeCandidate: (input) => describeCandidate(store, input),
    compareJudges: (verdicts) => compareJudges(store, verdicts),
    promoteCandidate: ({ alias, candidate, move, expectedVersion }) =>
      promote(store, alias, candidate, move, expectedVersion),
    adoptStages: ({ run, stage }) => adoptStages(store, client, run, stage),
  };
}

async function standing(store: ArtifactStore, alias: string): Promise<StandingChampion> {
  const { version, current } = await readChampion(store, alias);
  if (!current) return { version };
  const { workflowId, model, recipe, scores, trainedOn } = current;
  return {
    version,
    candidate: {
      ...{ workflowId, model, recipe },
      ...(scores ? { scores } : {}),
      ...(trainedOn ? { trainedOn } : {}),
    },
    recipe: recipeSchema.parse(JSON.parse((await store.getBytes(recipe)).toString('utf8'))),
  };
}

/** From a run's result to the candidate it is: its evaluation's manifest names the items and the verdicts. */
export async function describeCandidate(
  store: ArtifactStore,
  { run, trainedOn }: Parameters<RegistryActivities['describeCandidate']>[0],
): Promise<JudgedCandidate> {
  const { scores, model, workflowId, recipeRef } = run;
  const evaluation = scores ? (await store.lineage(scores)).manifest : undefined;
  const pairs = evaluation?.parents['pairs'];
  const verdicts: ArtifactRef | undefined = evaluation?.outputs['verdicts-grpo'];
  if (!model || !scores || !recipeRef || !pairs || !verdicts) {
    throw new UserError(
      'ArtifactMissing',
      `${workflowId} has no evaluated judge: it must have run to its end with 'grpo' among evaluate.stages.`,
    );
  }
  return {
    candidate: { workflowId, model, recipe: recipeRef, scores, ...(trainedOn ? { trainedOn } : {}) },
    pairs,
    verdicts,
  };
}
