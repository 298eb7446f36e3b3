/** Sequences laid out for the training graphs. */
import type { TokenBatch } from '../model/batch.js';
import { headDim, type DecoderConfig } from '../model/parameters.js';
import { planMicroBatches, type MicroBatch } from '../data/micro-batches.js';

/** Activations of one micro-batch that are kept for the backward pass may take about this much. */
const ACTIVATION_BYTES = 256 * 2 ** 20;
/** Beyond this many tokens a run does not get faster, only larger. */
const MOST_TOKENS = 4096;
/** Keys and values of all rows decoded together may take about this much. */
const CACHE_BYTES = 512 * 2 ** 20;
const MOST_ROWS = 128;

/** Tokens of one micro-batch, padding included: a function of the model alone, so that resuming gives the same sums. */
export function microBatchTokens(config: DecoderConfig): number {
  const { layers, hiddenSize, intermediateSize } = config;
  const bytes = 4 * layers * (16 * hiddenSize + 6 * intermediateSize) + 12 * config.vocabSize;
  return Math.min(MOST_TOKENS, Math.max(128, Math.floor(ACTIVATION_BYTES / bytes)));
}

/** Rows to decode together; the results do not depend on it. */
export function rolloutRows(config: DecoderConfig): number {
  const bytes = 4 * 2 * config.layers * config.kvHeads * headDim(config) * config.maxLength;
  return Math.min(MOST_ROWS, Math.max(1, Math.floor(CACHE_BYTES / bytes)));
}

/** Micro-batches of sequences with the given numbers of tokens; `length` counts predicted positions. */
export function planSequences(lengths: readonly number[], config: DecoderConfig): MicroBatch[] {
  return planMicroBatches(
    lengths.map((length) => length - 1),
    { maxTokens: microBatchTokens(config), hiddenSize: config.hiddenSize },
  );
}

/** The token ids of a micro-batch, [rows, length + 1], filled up with `padding`. */
export function tokenBatch(plan: MicroBatch, sequences: readonly Int32Array[], padding: number): TokenBatch {
  const length = plan.length + 1;
  const tokens = new Int32Array(plan.rows * length).fill(padding);
  plan.members.forEach((member, row) => tokens.set(sequences[member]!, row * length));
  return { rows: plan.rows, length, tokens };
}

/** Values per token in the layout of `tokenBatch`; padding is 0. */
export function perToken(plan: MicroBatch, values: readonly Float32Array[]): Float32Array {
  const length = plan.length + 1;
  const out = new Float32Array(plan.rows * length);
  plan.members.forEach((member, row) => out.set(values[member]!, row * length));
  return out;
}
