/** Registry activities on a champion in memory: compare-and-swap as in the store, everything else by arrangement. */
import type { Champion } from '../../activities/registry/champion.js';
import type { RegistryActivities } from '../../activities/registry/interface.js';
import type { JudgeComparison } from '../../activities/registry/judge-comparison.js';
import { loadRecipe } from '../../recipes/load.js';
import { fakeRef } from './fake-activities.js';

/** A candidate that mends `fixed` pairs and breaks none. */
export function comparison(fixed: number, pValue: number): JudgeComparison {
  const difference = fixed / 100;
  return {
    ...{ items: 100, champion: 0.8, candidate: 0.8 + difference, difference },
    ...{ low: difference - 0.05, high: difference + 0.05, fixed, broken: 0, pValue },
  };
}

export function fakeRegistry(change: Partial<RegistryActivities> = {}) {
  const champion: Champion = { alias: 'champion', version: 0, history: [] };
  const activities: RegistryActivities = {
    readChampion: async () => {
      const { version, current } = champion;
      return { version, ...(current ? { candidate: current, recipe: loadRecipe('quickstart') } : {}) };
    },
    findNewPairs: async () => ({
      data: fakeRef('pairs'),
      pairs: 500,
      newPairs: 500,
      files: { 'datasets/a.jsonl': 'v1' },
    }),
    findNewHubPairs: async () => ({ pairs: 0, newPairs: 0, files: {} }),
    describeCandidate: async ({ run, trainedOn }) => ({
      candidate: {
        workflowId: run.workflowId,
        model: fakeRef(`model of ${run.workflowId.slice(-20)}`, 'model'),
        recipe: fakeRef('recipe', 'recipe'),
        ...(trainedOn ? { trainedOn } : {}),
      },
      pairs: fakeRef('test-pairs'),
      verdicts: fakeRef('verdicts', 'verdicts'),
    }),
    compareJudges: async () => comparison(10, 0.002),
    promoteCandidate: async ({ candidate, move, expectedVersion }) => {
      if (champion.current?.workflowId === candidate.workflowId)
        return { status: 'stands', version: champion.version };
      if (champion.version !== expectedVersion) return { status: 'moved', version: champion.version };
      champion.version += 1;
      champion.current = {
        ...candidate,
        ...move,
        ...{ version: champion.version, action: 'promote', at: new Date(0).toISOString() },
      };
      champion.history.push(champion.current);
      return { status: 'promoted', version: champion.version };
    },
    adoptStages: async () => ({}),
    ...change,
  };
  return { champion, activities };
}
