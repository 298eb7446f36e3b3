import type { ReadReport } from '../../activities/dataset/index.js';
import { loadRecipe } from '../../recipes/load.js';
import type { Recipe } from '../../recipes/schema.js';
import { checkFit } from '../../recipes/sizing/check-fit.js';
import { ClientError } from '../errors.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { parseOverrides } from '../overrides.js';
import { checkPairs } from '../check-pairs.js';

export interface ValidateOptions extends SharedOptions {
  data?: string;
  recipe?: string;
  set?: string[];
}

export async function run(options: ValidateOptions): Promise<void> {
  if (options.data === undefined && options.recipe === undefined) {
    throw new ClientError('Usage', 'Nothing to check: give --data FILE, --recipe NAME or both.');
  }
  if (options.set && options.recipe === undefined) {
    throw new ClientError('Usage', '--set changes fields of a recipe: give --recipe NAME too.');
  }
  const recipe =
    options.recipe === undefined ? undefined : loadRecipe(options.recipe, parseOverrides(options.set));
  if (recipe) checkFit(recipe);
  const data = options.data === undefined ? undefined : (await checkPairs(options.data)).report;
  print(options.json, { valid: true, ...(recipe ? { recipe } : {}), ...(data ? { data } : {}) }, () =>
    [...(recipe ? [recipeText(recipe)] : []), ...(data ? [dataText(data)] : [])].join('\n'),
  );
}

function recipeText({ name, title }: Recipe): string {
  return `Recipe ${name} is valid: ${title}.`;
}

/** What was read, in a few lines. */
export function dataText(report: ReadReport): string {
  const { source, records, pairs, multiTurn, warnings } = report;
  const categories = Object.entries(report.categories).map(([name, count]) => `${name} ${count}`);
  const shown = categories.slice(0, 8).join(', ') + (categories.length > 8 ? ', …' : '');
  return [
    `${source} is valid: ${pairs} pairs from ${records} records, ${multiTurn} with several turns.`,
    `Categories: ${shown}`,
    ...warnings,
  ].join('\n');
}
