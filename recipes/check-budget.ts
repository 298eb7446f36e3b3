/** A cap on spending needs prices: without them it would never be reached. */
import { UserError } from '../workflows/errors.js';
import type { Recipe } from './schema.js';
import { isSelfTaught } from './self-taught.js';

/** @throws UserError `InvalidInput` naming the models without a price, where a budget is set. */
export function checkBudget({ oracle, coldStart }: Recipe, budget: { usd: number } | undefined): void {
  if (!budget || coldStart || isSelfTaught({ oracle })) return;
  const models = [
    ...new Set([...(oracle.cascade ?? []), oracle.model, oracle.correctionModel ?? oracle.model]),
  ];
  const unpriced = models.filter((model) => !Object.hasOwn(oracle.price, model));
  if (unpriced.length === 0) return;
  const example = JSON.stringify({ [unpriced[0]!]: { inputPerMillion: 0.15, outputPerMillion: 0.6 } });
  throw new UserError(
    'InvalidInput',
    `budget: the recipe has no price for ${unpriced.join(', ')}, so a cap could not be kept. ` +
      `Give it in USD per million tokens, for example --set 'oracle.price=${example}'.`,
  );
}
