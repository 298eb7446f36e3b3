/** A small judge for the parity of training: tokenizer, seeded weights and verdicts to learn. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeModelFiles } from '../../engine/checkpoint/model-directory.js';
import { engineJobSchema, type SupervisedJob } from '../../engine/job.js';
import { initializeParameters } from '../../engine/model/initialize.js';
import { parameterLayout } from '../../engine/model/parameters.js';
import { TextTokenizer } from '../../engine/tokenizer/tokenizer.js';
import { writeTokenizer } from '../../engine/tokenizer/tokenizer-files.js';
import { buildWordLevel } from '../../engine/tokenizer/word-level.js';
import { runSupervised } from '../../engine/trainer/supervised.js';
import { QUIET } from './our-training.js';

const WORDS = 'compare clear vague short long kind rude first second because therefore'.split(' ');
const TAGS = ['<eval>', '</eval>', '<answer>', '</answer>', '[[A]]', '[[B]]', 'A', 'B'];
const ITEMS = 80;
/** Longest prompt and longest completion in tokens, end-of-text included. */
export const PROMPT_TOKENS = 24;
export const COMPLETION_TOKENS = 24;

/** A random Llama with grouped queries, float32. @returns its directory */
export function writeSmallModel(dir: string, { tieEmbeddings }: { tieEmbeddings: boolean }): string {
  mkdirSync(dir, { recursive: true });
  const files = buildWordLevel([...WORDS, ...TAGS], {
    special: { padding: '<pad>', endOfText: '<end>', unknown: '<unk>', others: ['<user>', '<assistant>'] },
  });
  writeTokenizer(join(dir, 'tokenizer'), files);
  const tokenizer = TextTokenizer.load(join(dir, 'tokenizer'));
  const layout = parameterLayout({
    hiddenSize: 64,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    intermediateSize: 96,
    maxLength: 64,
    ropeTheta: 10_000,
    normEpsilon: 1e-5,
    tieEmbeddings,
    vocabSize: tokenizer.vocabSize,
  });
  const model = join(dir, 'model');
  mkdirSync(model);
  const parameters = initializeParameters(layout, 1);
  writeModelFiles(model, { layout, parameters, tokenizer, tokenizerDir: join(dir, 'tokenizer') });
  return model;
}

/**
 * A small judge with a head of its own after a few epochs of the verdicts `data`: it knows the form, and is right often
 * but not always, so that its groups disagree.
 * @returns its directory
 */
export async function trainedSmallModel(dir: string, data: string): Promise<string> {
  const job = engineJobSchema.parse({
    kind: 'supervised',
    seed: 4,
    model: { from: 'directory', path: writeSmallModel(dir, { tieEmbeddings: false }) },
    data,
    outputDir: join(dir, 'trained'),
    threads: 1,
    checkpointEverySteps: 1_000,
    optimizer: { learningRate: 3e-3 },
    epochs: 4,
    batchSize: 8,
    maxLength: 64,
  }) as SupervisedJob;
  await runSupervised(job, QUIET);
  return join(job.outputDir, 'model');
}

/** Write prompts of several lengths with verdicts; serves supervised and GRPO jobs. @returns its path */
export function writeVerdicts(dir: string): string {
  return writeLines(join(dir, 'verdicts.jsonl'), (i) => {
    const gold = (i * 7) % 4 < 2 ? 'A' : 'B';
    const word = (k: number) => WORDS[(i * 5 + k * 3) % WORDS.length]!;
    const filler = Array.from({ length: (i * 5) % 17 }, (_, k) => word(k)).join(' ');
    const why = Array.from({ length: i % 8 }, (_, k) => word(k + 1)).join(' ');
    return {
      id: `item-${i}`,
      prompt: `<user> compare ${filler} ${gold} clear <assistant>`,
      completion: `<eval> ${gold} clear ${why} </eval> <answer> [[${gold}]] </answer>`,
      gold,
    };
  });
}

/** Write pairs whose preferred answer is kind. @returns its path */
export function writePreferences(dir: string): string {
  return writeLines(join(dir, 'pairs.jsonl'), (i) => ({
    id: `pair-${i}`,
    prompt: `<user> compare ${'long '.repeat((i * 5) % 11)}<assistant>`,
    chosen: `${'clear therefore '.repeat(i % 4)}kind`,
    rejected: `${'vague because '.repeat((i * 3) % 5)}rude second`,
  }));
}

function writeLines(path: string, line: (i: number) => object): string {
  writeFileSync(path, Array.from({ length: ITEMS }, (_, i) => `${JSON.stringify(line(i))}\n`).join(''));
  return path;
}
