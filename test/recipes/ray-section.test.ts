import { describe, expect, it } from 'vitest';
import { loadRecipe } from '../../recipes/load.js';

describe('engine ray in a recipe', () => {
  it('fills the section with defaults and names no cluster', () => {
    const recipe = loadRecipe('scratch', { engine: 'ray', 'ray.gpusPerNode': 8, 'ray.nodes': 2 });
    expect(recipe.ray).toMatchObject({ nodes: 2, gpusPerNode: 8, grpoTrainer: 'trl', samplesPerDevice: 1 });
    expect(Object.keys(recipe.ray!)).not.toContain('address');
  });

  it('changes nothing in recipes that do not ask for it', () => {
    const recipe = loadRecipe('scratch');
    expect(recipe).not.toHaveProperty('engine');
    expect(recipe).not.toHaveProperty('ray');
  });

  it.each([
    [{ 'ray.nodes': 2 }, 'ray: is for engine ray'],
    [{ engine: 'ray', 'ray.address': 'http://head:8265' }, "unknown field 'address'"],
    [{ engine: 'ray', device: 'cuda' }, 'device: is for the embedded engine'],
    [{ engine: 'ray', 'grpo.objective': 'dapo' }, 'grpo.objective: dapo draws again'],
    [{ engine: 'slurm' }, 'engine:'],
  ])('refuses %o', (overrides, said) => {
    expect(() => loadRecipe('scratch', overrides)).toThrow(said);
  });
});
