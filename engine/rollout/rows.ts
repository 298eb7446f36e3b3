/** Rows of a decoding batch: what they are, in which order they come, when waiting ones may join. */
import { samplingUniforms } from '../data/random.js';
import { headDim, type DecoderConfig } from '../model/parameters.js';
import type { Cache } from './cache.js';

/** One prompt to complete. */
export interface Prompt {
  /** Token ids, at least one. */
  tokens: readonly number[];
  /** Identity for the random numbers, `hashId` of the item's id: the same prompt draws the same wherever it stands. */
  key: number;
}

/**
 * Prompts are padded to a multiple of this. Masked columns add exact zeros, and a multiple of the kernels' vector width
 * keeps the other ones in their lanes: a row's result is the same to the bit whatever the padding.
 */
const PROMPT_BUCKET = 32;
/** Places of finished rows that are filled together, as a share of the batch: each time prompts are read and caches copied. */
const REFILL_SHARE = 0.25;

/** Memory that the keys and values of a batch may take. */
const CACHE_BYTES = 512 * 2 ** 20;

export interface Row {
  prompt: number;
  sample: number;
  /** Row of the cache tensors it reads. */
  source: number;
  /** Tokens of the prompt whose keys are cached: all but the last. */
  cached: number;
  last: number;
  tokens: number[];
  logps: number[];
}

/** Padded length of what is cached of a prompt: all tokens but the last. */
export function bucketOf({ tokens }: Prompt): number {
  if (tokens.length === 0) throw new Error('a prompt has no tokens');
  return Math.max(1, Math.ceil((tokens.length - 1) / PROMPT_BUCKET)) * PROMPT_BUCKET;
}

/** Every sample of every prompt; prompts of similar length are next to each other, so that little is padding. */
export function rowsOf(prompts: readonly Prompt[], samples: number): Row[] {
  const order = prompts.map((prompt, index) => ({ index, bucket: bucketOf(prompt) }));
  order.sort((a, b) => a.bucket - b.bucket || a.index - b.index);
  return order.flatMap(({ index }) => {
    const { tokens } = prompts[index]!;
    return Array.from({ length: samples }, (_, sample) => ({
      prompt: index,
      sample,
      source: 0,
      cached: tokens.length - 1,
      last: tokens.at(-1)!,
      tokens: [],
      logps: [],
    }));
  });
}

/**
 * Whether waiting rows are taken into the places of finished ones, once these are worth a prefill. Only where the slots before a row's first token are whole buckets does it compute as it would alone.
 */
export function mayJoin(
  live: readonly Row[],
  waiting: readonly Row[],
  { past }: Cache,
  { batchSize }: { batchSize: number },
): boolean {
  if (waiting.length === 0) return false;
  const free = batchSize - live.length;
  return past % PROMPT_BUCKET === 0 && free > 0 && free >= Math.min(waiting.length, batchSize * REFILL_SHARE);
}

/**
 * Rows that may be decoded together; the results do not depend on it.
 * @param length longest prompt and completion in tokens
 */
export function rowsInMemory(config: DecoderConfig, length: number): number {
  const bytes =
    2 * Float32Array.BYTES_PER_ELEMENT * config.layers * config.kvHeads * headDim(config) * length;
  return Math.max(1, Math.floor(CACHE_BYTES / bytes));
}

/** Uniforms [trips, rows] of the next positions of every row. */
export function drawUniforms(
  rows: readonly Row[],
  prompts: readonly Prompt[],
  trips: number,
  { seed, step }: { seed: number; step: number },
): Float32Array {
  const all = new Float32Array(trips * rows.length);
  const own = new Float32Array(trips);
  rows.forEach((row, index) => {
    samplingUniforms(
      { seed, step, prompt: prompts[row.prompt]!.key, sample: row.sample },
      row.tokens.length,
      own,
    );
    for (let i = 0; i < trips; i++) all[i * rows.length + index] = own[i]!;
  });
  return all;
}
