/** A decoder of a few thousand parameters over a small word list, for tests. */
import { buildWordLevel } from '../../../engine/tokenizer/word-level.js';
import { TextTokenizer } from '../../../engine/tokenizer/tokenizer.js';
import { writeTokenizer } from '../../../engine/tokenizer/tokenizer-files.js';
import { initializeParameters } from '../../../engine/model/initialize.js';
import { parameterLayout } from '../../../engine/model/parameters.js';
import type { LoadedModel } from '../../../engine/checkpoint/model-directory.js';

const words = [
  'judge',
  'A',
  'B',
  'good',
  'bad',
  'so',
  '<eval>',
  '</eval>',
  '<answer>',
  '</answer>',
  '[[A]]',
  '[[B]]',
];
const tinyTokenizer = buildWordLevel(words, {
  special: { padding: '<pad>', endOfText: '<end>', unknown: '<unk>', others: ['<user>', '<assistant>'] },
});

export const tinyArchitecture = {
  hiddenSize: 32,
  layers: 2,
  heads: 2,
  kvHeads: 1,
  intermediateSize: 48,
  maxLength: 64,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tieEmbeddings: true,
};

export function writeTinyTokenizer(dir: string): string {
  writeTokenizer(dir, tinyTokenizer);
  return dir;
}

/** Fresh weights; `tokenizerDir` is only needed to write the model. */
export function tinyModel(tokenizerDir = '', seed = 1): LoadedModel {
  const tokenizer = TextTokenizer.parse(
    JSON.stringify(tinyTokenizer.tokenizer),
    JSON.stringify(tinyTokenizer.config),
  );
  const layout = parameterLayout({ ...tinyArchitecture, vocabSize: tokenizer.vocabSize });
  return { layout, parameters: initializeParameters(layout, seed), tokenizer, tokenizerDir };
}
