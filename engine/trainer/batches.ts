/** Sequences laid out for the training graphs. */
import { packSequences, rowLength, type MicroBatch } from '../data/packing.js';
import type { TokenBatch } from '../model/batch.js';
import type { DecoderConfig } from '../model/parameters.js';

/** Activations of one micro-batch that are kept for the backward pass may take about this much. */
const ACTIVATION_BYTES = 512 * 2 ** 20;
/** Beyond this many tokens a run falls out of the processor's caches and gets slower. */
const MOST_TOKENS = 1100;
/** Every loaded graph keeps the memory of its activations; all together may take about this much. */
const SESSION_BYTES = 2048 * 2 ** 20;
const MOST_SESSIONS = 32;
/** Beyond this many logits `tokenLogprobs` handles rows in chunks. */
const WHOLE_LOGITS = 32 * 2 ** 20;

/** What decides the size of micro-batches: the model and the job alone, so that resuming gives the same sums. */
export interface BatchPlan {
  config: DecoderConfig;
  recompute?: boolean | undefined;
  /** Overrides the size that the model suggests. */
  microBatchTokens?: number | undefined;
}

/** Activations of one token, roughly. A large vocabulary's logits exist for some rows at a time only. */
function activationBytes({ config, recompute }: BatchPlan): number {
  const { layers, hiddenSize, intermediateSize, vocabSize } = config;
  const layer = 4 * (16 * hiddenSize + 6 * intermediateSize);
  const logits = vocabSize * MOST_TOKENS > WHOLE_LOGITS ? 0 : 12 * vocabSize;
  return (recompute ? layer + 4 * layers * hiddenSize : layers * layer) + logits;
}

/** Tokens of one micro-batch, padding included. */
function microBatchTokens(plan: BatchPlan): number {
  const fitting = Math.max(128, Math.floor(ACTIVATION_BYTES / activationBytes(plan)));
  return plan.microBatchTokens ?? Math.min(MOST_TOKENS, fitting);
}

/** Training graphs kept loaded: for a small model those of every objective and shape of a typical job. */
export function trainingSessions(plan: BatchPlan): number {
  const bytes = microBatchTokens(plan) * activationBytes(plan);
  return Math.min(MOST_SESSIONS, Math.max(3, Math.floor(SESSION_BYTES / bytes)));
}

/** Large graphs give their memory back after each run; keeping it for every loaded graph would add up. */
export function keepsArena(plan: BatchPlan): boolean {
  return microBatchTokens(plan) * activationBytes(plan) * 3 <= SESSION_BYTES && !plan.recompute;
}

/**
 * Micro-batches of sequences with so many tokens each.
 * @param tokens of every row; default: by the sequences in it
 */
export function planMicroBatches(sizes: readonly number[], plan: BatchPlan, tokens?: number): MicroBatch[] {
  return packSequences(sizes, microBatchTokens(plan), tokens === undefined ? undefined : tokens - 1);
}

/** Rows and tokens a row of a micro-batch that any sequence of up to `longest` tokens fits into. */
export function commonRows(longest: number, plan: BatchPlan): { rows: number; length: number } {
  const length = rowLength(longest - 1) + 1;
  return { rows: Math.max(1, Math.floor(microBatchTokens(plan) / length)), length };
}

/** Token ids and segments of a micro-batch, [rows, length], filled up with `padding`. */
export function tokenBatch(plan: MicroBatch, sequences: readonly Int32Array[], padding: number): TokenBatch {
  const { rows, length } = plan;
  const tokens = new Int32Array(rows * length).fill(padding);
  const segments = new Int32Array(rows * length).fill(-1);
  for (const { sequence, row, offset } of plan.placements) {
    const ids = sequences[sequence]!;
    const start = row * length + offset;
    tokens.set(ids, start);
    segments.fill(sequence, start, start + ids.length);
  }
  return { rows, length, tokens, segments };
}

/** Values per token in the layout of `tokenBatch`; padding is 0. */
export function perToken(plan: MicroBatch, values: readonly Float32Array[]): Float32Array {
  const out = new Float32Array(plan.rows * plan.length);
  for (const { sequence, row, offset } of plan.placements)
    out.set(values[sequence]!, row * plan.length + offset);
  return out;
}
