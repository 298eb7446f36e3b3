/** The dataset of a recipe whose pairs come from the preference world. */
import type { Pair } from '../../judge/pair.js';
import type { Recipe } from '../../recipes/schema.js';
import { generateWorld, warmUpDocuments, WORLD_TOKEN_PATTERN, worldVocabulary } from '../../world/index.js';
import { wordTokenizer } from './student-tokenizer.js';
import { UserError } from '../../workflows/errors.js';
import type { TokenizerFiles } from '../../engine/tokenizer/tokenizer-files.js';

/** Pairs by split, and what the base model reads: the content of one user message and what follows it. */
export interface RawDataset {
  splits: { train: Pair[]; validation: Pair[]; test: Pair[]; matrix?: Pair[] };
  documents: { id: string; prompt: string; completion: string }[];
  tokenizer: TokenizerFiles;
  /** For the stats artefact. */
  report: unknown;
}

/**
 * @throws RangeError where the world does not hold that many different pairs; UserError `InvalidInput` for a pretrained
 *   base, whose tokenizer does not know the world's words as such.
 */
export function worldDataset(recipe: Recipe, seed: number): RawDataset {
  const { base } = recipe;
  if (base.kind === 'pretrained')
    throw new UserError(
      'InvalidInput',
      "base.kind: a pretrained base reads real text; set data.source to 'file' and give your own pairs.",
    );
  const { train, validation, test, matrix } = recipe.data.world!;
  const world = generateWorld({ seed, train, validation, test, matrix });
  return {
    splits: {
      train: world.train,
      validation: world.validation,
      test: world.test,
      ...(world.matrix.length > 0 ? { matrix: world.matrix } : {}),
    },
    documents: warmUpDocuments({ seed, count: base.documents }),
    tokenizer: wordTokenizer(worldVocabulary(), WORLD_TOKEN_PATTERN),
    report: { source: 'preference world', seed },
  };
}
