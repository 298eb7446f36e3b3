/** The pieces of a decoder layer that prefill and decoding share. Attention itself differs and stays with each. */
import { CONTRIB, UNKNOWN, float, ops, type GraphBuilder, type Value } from '../onnx/index.js';
import type { DecoderConfig } from '../model/parameters.js';
import { headDim } from '../model/parameters.js';
import { rotaryTables } from '../model/rotary.js';

/** Cosine and sine of every position and frequency, [positions, headDim / 2] (RoPE, arXiv 2104.09864). */
export interface RotaryTables {
  cos: Value;
  sin: Value;
}

/** Tables of `positions` rows and headDim / 2 columns, as constants of `g`. */
export function rotaryInputs(g: GraphBuilder, config: DecoderConfig, positions: number): RotaryTables {
  const { cosine, sine } = rotaryTables(config, positions);
  const shape = [positions, headDim(config) / 2];
  return { cos: g.constant('float32', shape, cosine), sin: g.constant('float32', shape, sine) };
}

/**
 * onnxruntime's matrix product adds up blocks of this many terms, one after the other, unless a thread gets few columns:
 * then blocks are longer, and other blocks round differently. How many columns a thread gets depends on the rows and on
 * the number of threads.
 */
const INNER_BLOCK = 128;
/** A thread with more columns than this uses `INNER_BLOCK`. */
const FEW_COLUMNS = 64;
/** Threads share columns in pieces of this many. */
const COLUMN_PIECE = 16;

/**
 * How weights are held. In factors of `INNER_BLOCK` inputs every sum is one block, and longer ones are added up here,
 * always in the same order. Whole matrices give the same sums, and faster, where `wideEnough` says so.
 */
export type Cut = 'factors' | 'whole';

/** Whether every one of `threads` threads gets so many of `columns` that a product adds up the blocks of factors. */
export function wideEnough(columns: number, threads: number): boolean {
  return Math.floor(Math.ceil(columns / COLUMN_PIECE) / threads) * COLUMN_PIECE > FEW_COLUMNS;
}

/** A weight [outputs, inputs] as factors [inputs of a block, outputs], to be prepared once and used by `product`. */
export function factors(g: GraphBuilder, weight: Value, cut: Cut, scale?: Value): Value[] {
  const transposed = ops.transpose(g, weight, [1, 0]);
  const scaled = scale ? ops.mul(g, transposed, scale) : transposed;
  const sizes = blockSizes(weight.shape[1]!, cut);
  return sizes.length === 1 ? [scaled] : ops.split(g, scaled, sizes, 0);
}

/** Shapes of the factors of a weight [outputs, inputs]. */
export function factorShapes([outputs, inputs]: readonly number[], cut: Cut): number[][] {
  return blockSizes(inputs!, cut).map((size) => [size, outputs!]);
}

/** `x` [..., inputs] times the weight that `factors` prepared, plus `bias` [outputs] where there is one. */
export function product(g: GraphBuilder, x: Value, weight: readonly Value[], bias?: Value): Value {
  if (bias) return ops.add(g, product(g, x, weight), bias);
  if (weight.length === 1) return ops.matmul(g, x, weight[0]!);
  const parts = ops.split(
    g,
    x,
    weight.map((factor) => factor.shape[0]!),
    x.shape.length - 1,
  );
  return parts.map((part, i) => ops.matmul(g, part, weight[i]!)).reduce((sum, part) => ops.add(g, sum, part));
}

function blockSizes(inputs: number, cut: Cut): number[] {
  if (cut === 'whole') return [inputs];
  const count = Math.ceil(inputs / INNER_BLOCK);
  return Array.from({ length: count }, (_, i) => Math.min(INNER_BLOCK, inputs - i * INNER_BLOCK));
}

/** Rotate all heads of `x` [rows, tokens, heads · headDim] to their `positions` ([rows, tokens], or [1]: the first). */
export function rotate(g: GraphBuilder, x: Value, positions: Value, tables: RotaryTables): Value {
  return g.op('RotaryEmbedding', [x, positions, tables.cos, tables.sin], {}, { domain: CONTRIB });
}

/** `x + skip` and its RMS normalisation, in one operator. */
export function addAndNormalize(
  g: GraphBuilder,
  x: Value,
  skip: Value,
  scale: Value,
  epsilon: number,
): { sum: Value; y: Value } {
  const spec = { dtype: x.dtype, shape: x.shape };
  const [y, , , sum] = g.ops(
    'SkipSimplifiedLayerNormalization',
    [x, skip, scale],
    { epsilon: float(epsilon) },
    { domain: CONTRIB, specs: [spec, null, null, spec] },
  );
  return { sum: sum!, y: y! };
}

/** SwiGLU (arXiv 2002.05202): silu(gate) · up, from the two side by side on the last axis. */
export function swiglu(g: GraphBuilder, gateUp: Value, size: number): Value {
  const [gate, up] = ops.split(g, gateUp, [size, size], -1) as [Value, Value];
  const silu = g.op('QuickGelu', [gate], { alpha: float(1) }, { domain: CONTRIB });
  return ops.mul(g, silu, up);
}

/** Names of one layer's cache tensors. */
export const cacheNames = (layer: number): { key: string; value: string } => ({
  key: `key.${layer}`,
  value: `value.${layer}`,
});

/** Cached values: rows and tokens are known at run time only. */
export const valueShape = (config: DecoderConfig): number[] => [
  UNKNOWN,
  config.kvHeads,
  UNKNOWN,
  headDim(config),
];
/** Cached keys lie transposed, which makes their product with a query a plain one. */
export const keyShape = (config: DecoderConfig): number[] => [
  UNKNOWN,
  config.kvHeads,
  headDim(config),
  UNKNOWN,
];
