import { expect, it } from 'vitest';
import { checkClusterSupport } from '../../recipes/check-cluster-support.js';
import { loadRecipe } from '../../recipes/load.js';

it('refuses what the pipeline cannot start on a cluster, every field at once, and says what works', () => {
  const large = loadRecipe('rm-r1-qwen2.5-32b-instruct');
  expect(() => checkClusterSupport(large)).toThrow(/'verl'.*set it to 'trl'/);
  const small = { engine: 'ray', 'ray.nodes': 2, 'ray.gpusPerNode': 1, 'ray.grpoTrainer': 'trl' };
  expect(() => checkClusterSupport(loadRecipe('scratch', small))).not.toThrow();
  expect(() => checkClusterSupport(loadRecipe('quickstart'))).not.toThrow();
});
