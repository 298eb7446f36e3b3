/** Resolve a run's recipe and check everything that can be checked before money or compute is spent. */
import { checkBudget } from '../../recipes/check-budget.js';
import { checkClusterSupport } from '../../recipes/check-cluster-support.js';
import { loadRecipe } from '../../recipes/load.js';
import { checkFit } from '../../recipes/sizing/check-fit.js';
import type { Recipe } from '../../recipes/schema.js';
import { isSelfTaught } from '../../recipes/self-taught.js';
import { UserError } from '../../workflows/errors.js';
import type { ResolvedRunInput } from '../../workflows/inputs.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { PlanInput, RunPlan } from '../interface.js';
import { checkOracle } from '../oracle/endpoint.js';

/** A worker that is silent for this long counts as lost; short ones make crashes cheap and slow networks costly. */
const HEARTBEAT_SECONDS = 30;

/**
 * @throws UserError `InvalidInput` with every wrong field, `OracleCredentials`, `OracleUnreachable`; StoreError where the
 * bucket cannot be used. All of them are final: nothing has begun yet.
 */
export async function planRun(store: ArtifactStore, input: PlanInput): Promise<RunPlan> {
  const recipe = loadRecipe(input.recipe, { ...oracleOverrides(input), ...input.overrides });
  checkData(recipe, input);
  checkBudget(recipe, input.budget);
  checkFit(recipe);
  checkClusterSupport(recipe);
  const heartbeatSeconds = heartbeatSetting();
  await store.check();
  if (!input.asksNoOracle && !isSelfTaught(recipe) && !recipe.coldStart) await checkOracle(recipe.oracle);
  return {
    recipe,
    recipeRef: await store.putBytes('recipe', JSON.stringify(recipe, null, 2)),
    heartbeatSeconds,
  };
}

function heartbeatSetting(): number {
  const given = process.env.RMR1_HEARTBEAT_SECONDS;
  const seconds = given ? Number(given) : HEARTBEAT_SECONDS;
  if (seconds >= 1) return seconds;
  throw new UserError(
    'InvalidInput',
    `RMR1_HEARTBEAT_SECONDS is '${given}' in the worker's environment; give a number of at least 1.`,
  );
}

/** Models of the local oracle service, for recipes that name those of another provider. */
const LOCAL_MODELS = { model: 'world-oracle-a', correctionModel: 'world-oracle-b' };

function oracleOverrides({ oracle: given }: ResolvedRunInput): Record<string, unknown> {
  const oracle = given.provider === 'local' ? { ...LOCAL_MODELS, ...given } : given;
  return Object.fromEntries(Object.entries(oracle).map(([field, value]) => [`oracle.${field}`, value]));
}

function checkData(recipe: Recipe, { data }: ResolvedRunInput): void {
  if (recipe.data.source === 'file' && data === undefined) {
    throw new UserError(
      'InvalidInput',
      `data: recipe '${recipe.name}' trains on your own pairs; give the path of a JSONL file, for example {"recipe": "${recipe.name}", "data": "/data/pairs.jsonl"}.`,
    );
  }
  if (recipe.data.source === 'world' && data !== undefined) {
    throw new UserError(
      'InvalidInput',
      `data: recipe '${recipe.name}' generates its own pairs; leave the field out, or take recipe 'scratch' for your file.`,
    );
  }
  if (recipe.data.source === 'world' && !recipe.data.world) {
    throw new UserError('InvalidInput', `Recipe '${recipe.name}': data.world is missing.`);
  }
}
