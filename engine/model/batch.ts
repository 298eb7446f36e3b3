/** Batches as callers have them (row per sequence) and as graphs want them (time-major, inputs and targets apart). */
import type { Tensors } from '../onnx/session.js';
import { tensor } from '../onnx/session.js';
import type { DecoderConfig } from './parameters.js';
import { headDim } from './parameters.js';

/** Right-padded token sequences, row-major [rows, length]. Pad with any valid token id. */
export interface TokenBatch {
  rows: number;
  length: number;
  tokens: Int32Array;
  /** `[rows, length]` for packed rows, which document a token belongs to; tokens see their own document only. */
  segments?: Int32Array;
}

/** All per-token arrays are [rows, length], and index t is about *predicting token t* from those before it. */
export interface SupervisedBatch extends TokenBatch {
  /** Loss weight of predicting token t: 0 for padding and for the first token of a row, which nothing predicts. */
  weights: Float32Array;
}

export interface GrpoBatch extends TokenBatch {
  /** 1 for completion tokens (end-of-text included), 0 elsewhere. */
  weights: Float32Array;
  /** The advantage of the completion: one per row, or one per token [rows, length] where rows hold several. */
  advantages: Float32Array;
  /** Log-probabilities at rollout time and under the reference model, as `TrainingRuntime.logprobs` gives them. */
  oldLogprobs: Float32Array;
  refLogprobs: Float32Array;
}

/** Sequences of which single tokens are scored. */
export interface ScoredBatch extends TokenBatch {
  /** Indices of [rows, length], none of them the last of its row. */
  at: Int32Array;
}

/** Pairs of sequences; `at` are the last tokens of the preferred ones, `rejectedAt` those of the others. */
export interface PreferenceBatch extends ScoredBatch {
  rejectedAt: Int32Array;
}

/**
 * Length to which `length` predicted positions are padded, so that few graphs serve all batches: the next multiple
 * of 16 up to 128, of 32 up to 512, of 128 beyond.
 */
function bucketLength(length: number): number {
  const step = length <= 128 ? 16 : length <= 512 ? 32 : 128;
  return Math.ceil(length / step) * step;
}

const SAFE_COLUMNS = 512;

/**
 * Positions that every graph has at least, for results that do not depend on the number of threads: onnxruntime's
 * matrix product splits the *columns* of its result between threads where they outnumber the rows, and blocks its
 * sums differently when a thread gets 64 columns or fewer. With this many rows that cannot happen on 8 threads or fewer.
 * Results with more than 512 columns are safe as they are (see `reproducibleThreads`), which leaves the keys and values
 * of larger models.
 */
export function minimumPositions(config: DecoderConfig): number {
  const smallest = Math.min(config.hiddenSize, config.intermediateSize, config.vocabSize);
  if (smallest > SAFE_COLUMNS) return Math.min(SAFE_COLUMNS, config.kvHeads * headDim(config));
  return Math.min(SAFE_COLUMNS, Math.max(config.hiddenSize, config.intermediateSize, config.vocabSize));
}

/** Up to this many columns 8 threads, which share them in pieces of 16, get 64 each; 7 get more from `SAFE_COLUMNS` on. */
const TOO_FEW_FOR_EIGHT = 624;

/** `threads`, or 7 in place of 8 where those would sum a product of this model differently, see `minimumPositions`. */
export function reproducibleThreads(config: DecoderConfig, threads: number): number {
  const { hiddenSize, intermediateSize, vocabSize, kvHeads } = config;
  const between = [hiddenSize, intermediateSize, vocabSize, kvHeads * headDim(config)].some(
    (width) => width > SAFE_COLUMNS && width <= TOO_FEW_FOR_EIGHT,
  );
  return threads === 8 && between ? 7 : threads;
}

/** A batch as graph feeds: padded to `rows` sequences of `length` predicted positions, time-major. */
export class BatchLayout {
  readonly rows: number;
  readonly length: number;

  /**
   * @param positions the graph has at least this many, see `minimumPositions`
   * @param least rows and predicted positions that the graph has in any case
   */
  constructor(
    readonly batch: TokenBatch,
    positions: number,
    least: { rows: number; length: number } = { rows: 0, length: 0 },
  ) {
    const { rows, length, tokens, segments } = batch;
    if (rows < 1 || length < 2)
      throw new Error(`a batch needs a row and two tokens, not ${rows} × ${length}`);
    expectSize('tokens', tokens, rows * length);
    if (segments) expectSize('segments', segments, rows * length);
    this.length = Math.max(bucketLength(length - 1), least.length);
    this.rows = Math.max(rows, Math.ceil(positions / this.length), least.rows);
  }

  /** `tokens` and `targets` int64 [length·rows] and, for packed rows, `segments` float32 [rows, length]. */
  feeds(): Tensors {
    const { length, tokens, segments } = this.batch;
    const n = this.length * this.rows;
    const inputs = new BigInt64Array(n);
    const targets = new BigInt64Array(n);
    this.#each((row, t, at) => {
      inputs[at] = BigInt(tokens[row * length + t]!);
      targets[at] = BigInt(tokens[row * length + t + 1]!);
    });
    const feeds: Tensors = { tokens: tensor('int64', inputs, [n]), targets: tensor('int64', targets, [n]) };
    if (segments) {
      const ids = new Float32Array(n).fill(-1);
      this.#each((row, t) => {
        ids[row * this.length + t] = segments[row * length + t]!;
      });
      feeds.segments = tensor('float32', ids, [this.rows, this.length]);
    }
    return feeds;
  }

  /** Per-token values [rows, length] about predicting token t, as a graph feed; padding is 0. */
  perToken(what: string, values: Float32Array, factor = 1): Tensors[string] {
    const { rows, length } = this.batch;
    expectSize(what, values, rows * length);
    return this.#timeMajor((row, t) => values[row * length + t + 1]! * factor);
  }

  /** As `perToken`; or one value per row, repeated for every token of it. */
  perTokenOrRow(what: string, values: Float32Array): Tensors[string] {
    if (values.length !== this.batch.rows) return this.perToken(what, values);
    return this.#timeMajor((row) => values[row]!);
  }

  /** The reverse of `perToken`: [rows, length], index 0 of every row is 0. */
  fromGraph(values: Float32Array): Float32Array {
    const { rows, length } = this.batch;
    const out = new Float32Array(rows * length);
    this.#each((row, t, at) => {
      out[row * length + t + 1] = values[at]!;
    });
    return out;
  }

  #timeMajor(value: (row: number, t: number) => number): Tensors[string] {
    const out = new Float32Array(this.length * this.rows);
    this.#each((row, t, at) => {
      out[at] = value(row, t);
    });
    return tensor('float32', out, [out.length]);
  }

  /** Visits every predicted position of the batch; `at` is its place in time-major order. */
  #each(visit: (row: number, t: number, at: number) => void): void {
    for (let t = 0; t + 1 < this.batch.length; t += 1) {
      for (let row = 0; row < this.batch.rows; row += 1) visit(row, t, t * this.rows + row);
    }
  }
}

function expectSize(what: string, values: ArrayLike<number>, size: number): void {
  if (values.length !== size)
    throw new Error(`batch ${what}: ${values.length} elements where ${size} are needed`);
}
