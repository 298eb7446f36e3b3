import { stringify } from 'yaml';
import { loadRecipe, recipeNames } from '../../recipes/load.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { formatTable } from '../progress/format.js';

export async function run(options: SharedOptions, name?: string): Promise<void> {
  if (name !== undefined) {
    const recipe = loadRecipe(name);
    return print(options.json, recipe, () => stringify(recipe));
  }
  const recipes = recipeNames().map((known) => loadRecipe(known));
  const shown = recipes.map(({ name: known, title, data }) => ({ name: known, data: data.source, title }));
  print(options.json, shown, () =>
    formatTable(
      ['recipe', 'data', 'what it does'],
      shown.map((row) => [row.name, row.data, row.title]),
    ),
  );
}
