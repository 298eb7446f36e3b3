/** Reinforcing what was distilled rewards memory: rollouts start from pairs the student was not tuned on. */
import { writeTokenizer } from '../../engine/tokenizer/tokenizer-files.js';
import { expect, it } from 'vitest';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import type { ArtifactStore } from '../../activities/artifacts/store.js';
import { toLine } from '../../activities/dataset/pair-lines.js';
import { wordTokenizer } from '../../activities/dataset/student-tokenizer.js';
import { buildRlPrompts, interleave } from '../../activities/training/build-data.js';
import type { GrpoPrompt } from '../../engine/job.js';
import { present } from '../../judge/pair.js';
import { loadRecipe } from '../../recipes/load.js';
import { generateWorld, WORLD_TOKEN_PATTERN, worldVocabulary } from '../../world/index.js';
import { fakeRef } from '../support/fake-activities.js';

const pairs = generateWorld({ seed: 2, train: 40, validation: 4, test: 4 }).train;

async function promptIds(overrides: Record<string, unknown>): Promise<string[]> {
  let written: GrpoPrompt[] = [];
  const store = {
    async *openLines() {
      yield* pairs.map((pair) => toLine(present(pair, 'A')));
    },
    async fetchDirectory(_ref: ArtifactRef, dir: string) {
      writeTokenizer(dir, wordTokenizer(worldVocabulary(), WORLD_TOKEN_PATTERN));
    },
    async putLines(_kind: string, rows: GrpoPrompt[]) {
      written = rows;
      return fakeRef('prompts', 'samples');
    },
  };
  await buildRlPrompts(store as unknown as ArtifactStore, {
    recipe: loadRecipe('quickstart', overrides),
    seed: 1,
    tokenizer: fakeRef('tokenizer', 'tokenizer'),
    pairs: fakeRef('pairs'),
  });
  return written.map(({ id }) => id);
}

it('leaves the distilled pairs out', async () => {
  const ids = await promptIds({ 'distill.pairs': 25 });
  const distilled = new Set(pairs.slice(0, 25).map(({ id }) => id));
  expect(ids.length).toBeGreaterThan(0);
  expect(ids.filter((id) => distilled.has(id))).toEqual([]);
});

it('takes them again where there are no others', async () => {
  expect((await promptIds({ 'distill.pairs': 1000 })).length).toBeGreaterThan(0);
});

it('keeps the share of reasoning prompts in every stretch', () => {
  const mixed = interleave(Array<string>(80).fill('r'), Array<string>(80).fill('c'), 0.8);
  for (let length = 5; length <= 90; length += 5) {
    expect(mixed.slice(0, length).filter((kind) => kind === 'r')).toHaveLength(0.8 * length);
  }
});
