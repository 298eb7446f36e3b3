/** The check before anything is spent: an oracle has to be there where it will be asked, and only there. */
import { expect, it } from 'vitest';
import { planRun } from '../../activities/planning/plan-run.js';
import type { ArtifactStore } from '../../activities/artifacts/store.js';
import { trainRewardModelInputSchema } from '../../workflows/inputs.js';
import { fakeRef } from '../support/fake-activities.js';

const store = {
  check: async () => undefined,
  putBytes: async () => fakeRef('recipe', 'recipe'),
} as unknown as ArtifactStore;
/** Nobody listens at port 1. */
const away = { provider: 'openai' as const, baseUrl: 'http://127.0.0.1:1/v1', model: 'm' };

it('refuses a run whose oracle is away, and plans one that asks none', async () => {
  const input = trainRewardModelInputSchema.parse({ oracle: away });
  await expect(planRun(store, input)).rejects.toMatchObject({ type: 'OracleUnreachable' });
  const plan = await planRun(store, { ...input, asksNoOracle: true });
  expect(plan.recipe.oracle.baseUrl).toBe(away.baseUrl);
  const selfTaught = trainRewardModelInputSchema.parse({ oracle: { provider: 'none' } });
  expect((await planRun(store, selfTaught)).recipe.oracle.provider).toBe('none');
});
