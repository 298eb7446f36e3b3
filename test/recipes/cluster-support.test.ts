import { expect, it } from 'vitest';
import { checkClusterSupport } from '../../recipes/check-cluster-support.js';
import { loadRecipe, recipeNames } from '../../recipes/load.js';

const refusalOf = (name: string, overrides: Record<string, unknown> = {}): string => {
  try {
    checkClusterSupport(loadRecipe(name, overrides));
    return '';
  } catch (error) {
    return (error as Error).message;
  }
};

it('every recipe of the paper can be started', () => {
  for (const name of recipeNames()) expect(refusalOf(name)).toBe('');
  const small = { engine: 'ray', 'ray.nodes': 1, 'ray.gpusPerNode': 1, 'ray.grpoTrainer': 'trl' };
  expect(refusalOf('scratch', small)).toBe('');
  expect(refusalOf('quickstart')).toBe('');
});

it('refuses what verl cannot do, every field at once, and says what works', () => {
  const refusal = refusalOf('rm-r1-qwen2.5-7b-instruct', {
    'ray.gpusPerNode': 0,
    'grpo.schedule': 'linear',
    'grpo.miniBatches': 7,
    'grpo.lora': { rank: 8, alpha: 16, targets: ['q_proj'] },
  });
  expect(refusal).toMatch(/ray\.gpusPerNode is 0.*ray\.grpoTrainer to 'trl'/);
  expect(refusal).toMatch(/grpo\.lora is trained by TRL.*grpo\.schedule is 'linear'.*'constant' or 'cosine'/);
  expect(refusal).toMatch(/grpo\.miniBatches is 7/);
});
