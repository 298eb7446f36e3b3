/** GRPO of the paper's recipes as jobs by verl: the specifications that `infra/ray/tests-verl` has verl itself compose. */
import { expect, it } from 'vitest';
import type { TrainInput } from '../../activities/interface.js';
import { trainingSpec } from '../../activities/ray/make-spec.js';
import { trainingSpecSchema } from '../../activities/ray/training-spec.js';
import { loadRecipe, recipeNames } from '../../recipes/load.js';

const GOLDEN = '../../infra/ray/tests/golden/verl-specs.json';
const PAPER = recipeNames()
  .filter((name) => name.startsWith('rm-r1-'))
  .sort();

function artifact(kind: string, digit: string) {
  const sha256 = digit.repeat(64);
  return { uri: `s3://rmr1/objects/${sha256.slice(0, 2)}/${sha256}`, sha256, bytes: 1, kind };
}

function specOf(name: string, stage: 'sft' | 'grpo') {
  const recipe = loadRecipe(name);
  const input = {
    stage,
    seed: recipe.seed,
    recipe,
    model: artifact('model', 'a'),
    data: artifact('samples', 'b'),
  };
  return trainingSpec(input as unknown as TrainInput, { stageKey: 'c'.repeat(64), attempt: 1 });
}

it('specifications of all six', async () => {
  expect(PAPER).toHaveLength(6);
  const specs = Object.fromEntries(
    PAPER.map((name) => {
      const spec = specOf(name, 'grpo');
      // Versions are the lock file's, and change with it.
      return [name, { ...trainingSpecSchema.parse(spec), packages: {} }];
    }),
  );
  await expect(`${JSON.stringify(specs, null, 2)}\n`).toMatchFileSnapshot(GOLDEN);
});

it('each trainer has the packages of its own lock file checked', () => {
  const name = 'rm-r1-qwen2.5-7b-instruct';
  expect(specOf(name, 'grpo').packages).toMatchObject({ verl: '0.9.1' });
  expect(specOf(name, 'sft').packages).not.toHaveProperty('verl');
  expect(specOf(name, 'sft').packages).toHaveProperty('trl');
});
