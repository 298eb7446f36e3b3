/** A recipe that bears the paper's name has the paper's settings (arXiv 2505.02387, sections 4 and B). */
import { describe, expect, it } from 'vitest';
import { loadRecipe, recipeNames } from '../../recipes/load.js';

const SHARED_GRPO = {
  promptsPerStep: 1024,
  groupSize: 7,
  miniBatches: 8,
  maxNewTokens: 8192,
  temperature: 1,
  clip: 0.2,
  klCoefficient: 0.001,
  weightDecay: 0.01,
  gradClip: 1,
  schedule: 'constant',
};

describe('RM-R1', () => {
  it.each([
    [7, 1, 5e-6, 1e-6],
    [14, 2, 3e-6, 7e-7],
    [32, 4, 2e-6, 5e-7],
  ])('on Qwen2.5-%iB-Instruct: %i nodes, learning rates %f and %f', (size, nodes, sft, grpo) => {
    const recipe = loadRecipe(`rm-r1-qwen2.5-${size}b-instruct`);
    expect(recipe).toMatchObject({
      promptVersion: 'cor-v1',
      base: {
        pretrained: { hub: `Qwen/Qwen2.5-${size}B-Instruct` },
        architecture: { maxLength: 4096 + 8192 },
      },
      ray: { nodes, gpusPerNode: 8 },
      oracle: { maxTokens: 8192 },
      distill: { pairs: 8700 },
      sft: { epochs: 1, batchSize: 128, learningRate: sft },
      grpo: { ...SHARED_GRPO, learningRate: grpo },
    });
    expect(recipe.coldStart).toBeUndefined();
    // One epoch of what is left of 72,146 pairs after the test split and the distilled ones; verl drops the rest.
    expect(recipe.grpo.steps).toBe(Math.floor((72_146 * (1 - recipe.data.testShare) - 8700) / 1024));
  });

  it.each([
    [7, 1, 1e-6],
    [14, 2, 1e-6],
    [32, 4, 8e-7],
  ])('on DeepSeek-R1-Distill-Qwen-%iB: %i nodes, learning rate %f, nothing but GRPO', (size, nodes, grpo) => {
    const recipe = loadRecipe(`rm-r1-deepseek-distilled-${size}b`);
    expect(recipe).toMatchObject({
      promptVersion: 'plain-v1',
      coldStart: true,
      base: { pretrained: { hub: `deepseek-ai/DeepSeek-R1-Distill-Qwen-${size}B` } },
      ray: { nodes, gpusPerNode: 8 },
      grpo: { ...SHARED_GRPO, learningRate: grpo },
      evaluate: { stages: ['base', 'grpo'] },
    });
    expect(recipe.grpo.steps).toBe(Math.floor((72_146 * (1 - recipe.data.testShare)) / 1024));
  });

  it('has a recipe for each of the six', () => {
    expect(recipeNames().filter((name) => name.startsWith('rm-r1-'))).toHaveLength(6);
  });

  it.each([
    [{ coldStart: true }, 'evaluate.stages: names sft'],
    [
      { coldStart: true, 'evaluate.stages': ['grpo'], 'oracle.provider': 'none' },
      'coldStart: leaves nothing to do for a student that teaches itself',
    ],
  ])('%o contradicts itself', (overrides, said) => {
    expect(() => loadRecipe('scratch', overrides)).toThrow(said);
  });
});
