/** What the schema of a recipe knows of Ray and the pipeline cannot start yet: refused before anything is spent. */
import { UserError } from '../workflows/errors.js';
import type { Recipe } from './schema.js';

/** @throws UserError `InvalidInput` naming every such field and what works in its place. */
export function checkClusterSupport({ name, engine, ray }: Pick<Recipe, 'name' | 'engine' | 'ray'>): void {
  if (engine !== 'ray' || !ray) return;
  const problems = [
    ...(ray.grpoTrainer === 'verl'
      ? ["ray.grpoTrainer is 'verl', which is not started by the pipeline yet: set it to 'trl'"]
      : []),
  ];
  if (problems.length > 0)
    throw new UserError('InvalidInput', `Recipe '${name}' cannot be run yet: ${problems.join('; ')}.`);
}
