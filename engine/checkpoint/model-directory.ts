/** A model in Hugging Face layout: `config.json`, `model.safetensors`, tokenizer files, `generation_config.json`. */
import { copyFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { badData, reading } from '../errors.js';
import { parameterLayout, view, type FlatLayout, type ParameterLayout } from '../model/parameters.js';
import { TOKENIZER_FILES, TextTokenizer } from '../tokenizer/tokenizer.js';
import { requireDirectory, writeDurably } from './files.js';
import { formatLlamaConfig, parseLlamaConfig } from './llama-config.js';
import { writeSafetensors, type Tensor } from './safetensors.js';
import { useWeights, type TensorSource } from './weights-files.js';

export const WEIGHTS_FILE = 'model.safetensors';

/** A model in memory. */
export interface LoadedModel {
  layout: ParameterLayout;
  /** All weights in one vector, ordered by `layout`. */
  parameters: Float32Array;
  tokenizer: TextTokenizer;
  /** Where the tokenizer's files are, to be copied beside weights that are trained from these. */
  tokenizerDir: string;
}

/** The vector's parameters as named tensors (views), `prefix` before each name. */
export function namedTensors(layout: FlatLayout, flat: Float32Array, prefix = ''): Tensor[] {
  return layout.entries.map((entry) => ({
    name: prefix + entry.name,
    shape: entry.shape,
    data: view(flat, entry),
  }));
}

/** Read tensors written by `namedTensors` into a new vector; every shape is checked. */
export function readFlat(file: TensorSource, layout: FlatLayout, prefix = ''): Float32Array {
  const flat = new Float32Array(layout.size);
  for (const entry of layout.entries) file.read(prefix + entry.name, entry.shape, view(flat, entry));
  return flat;
}

/** Tensors that some writers add and that hold nothing to learn: a tied head, tables of rotary angles. */
function isDerived(name: string, layout: ParameterLayout): boolean {
  return (name === 'lm_head.weight' && layout.config.tieEmbeddings) || name.endsWith('.rotary_emb.inv_freq');
}

/**
 * Read a model directory.
 * @throws EngineError (bad data) naming the file and field when something is missing, corrupt or not supported.
 */
export function readModelDirectory(dir: string): LoadedModel {
  requireDirectory(dir, 'the model directory');
  const configPath = join(dir, 'config.json');
  const text = reading('the model configuration', configPath, () => readFileSync(configPath, 'utf8'));
  const { architecture, ...rest } = parseLlamaConfig(text, configPath);
  const { vocabSize } = rest;
  const tokenizer = TextTokenizer.load(dir);
  if (tokenizer.vocabSize > vocabSize)
    throw badData(
      `${configPath}: vocab_size is ${vocabSize}, but the tokenizer has ids up to ${tokenizer.vocabSize - 1}`,
    );
  const layout = parameterLayout({ ...architecture, ...rest });
  const parameters = useWeights(join(dir, WEIGHTS_FILE), (file) => {
    const known = new Set(layout.entries.map((entry) => entry.name));
    for (const name of file.names())
      if (!known.has(name) && !isDerived(name, layout))
        throw badData(`${file.path}: tensor ${name} is not part of the model that config.json describes`);
    return readFlat(file, layout);
  });
  return { layout, parameters, tokenizer, tokenizerDir: dir };
}

/** Write the files of a model into an existing directory. The same model always gives the same bytes. */
export function writeModelFiles(dir: string, model: LoadedModel): void {
  const { layout, tokenizer } = model;
  const { vocabSize, scalarHead, ...architecture } = layout.config;
  const tokens = { bos: tokenizer.beginOfText, eos: tokenizer.endOfText, pad: tokenizer.padding };
  writeSafetensors(join(dir, WEIGHTS_FILE), namedTensors(layout, model.parameters));
  writeDurably(
    join(dir, 'config.json'),
    formatLlamaConfig({ architecture, vocabSize, ...(scalarHead ? { scalarHead } : {}) }, tokens),
  );
  const generation = { bos_token_id: tokens.bos ?? null, eos_token_id: tokens.eos, pad_token_id: tokens.pad };
  writeDurably(join(dir, 'generation_config.json'), `${JSON.stringify(generation, null, 2)}\n`);
  for (const name of TOKENIZER_FILES) {
    const source = join(model.tokenizerDir, name);
    if (existsSync(source)) copyFileSync(source, join(dir, name));
  }
}
