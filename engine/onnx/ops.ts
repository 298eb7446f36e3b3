/** Shorthand for the operators that our graphs use most. Numbers stand for float32 scalars. */
import type { GraphBuilder } from './graph-builder.js';
import type { DType, Value } from './types.js';
import { CONTRIB, DATA_TYPE, float } from './types.js';

/** A value, or a number that stands for a float32 scalar. */
export type Operand = Value | number;
const operand = (g: GraphBuilder, x: Operand): Value => (typeof x === 'number' ? g.scalar(x) : x);
const binary =
  (type: string) =>
  (g: GraphBuilder, a: Operand, b: Operand): Value =>
    g.op(type, [operand(g, a), operand(g, b)]);
const unary =
  (type: string) =>
  (g: GraphBuilder, x: Value): Value =>
    g.op(type, [x]);

/** `a + b`; shapes broadcast, as in all operators of two operands here. */
export const add = binary('Add');
/** `a − b`. */
export const sub = binary('Sub');
/** `a · b`, element by element. */
export const mul = binary('Mul');
/** `a / b`. */
export const div = binary('Div');
/** `a < b`, as bool. */
export const less = binary('Less');
/** `a ≤ b`, as bool. */
export const lessOrEqual = binary('LessOrEqual');
/** `a > b`, as bool. */
export const greater = binary('Greater');
/** `a = b`, as bool. */
export const equal = binary('Equal');
/** The larger of `a` and `b`, element by element. */
export const maximum = binary('Max');
/** The smaller of `a` and `b`, element by element. */
export const minimum = binary('Min');
/** `−x`. */
export const neg = unary('Neg');
/** `e^x`. */
export const exp = unary('Exp');
/** Natural logarithm. */
export const log = unary('Log');
/** `√x`. */
export const sqrt = unary('Sqrt');
/** `1 / x`. */
export const reciprocal = unary('Reciprocal');
/** `1 / (1 + e^−x)`. */
export const sigmoid = unary('Sigmoid');
/** Hyperbolic tangent. */
export const tanh = unary('Tanh');
/** log(1 + exp(x)) */
export const softplus = unary('Softplus');

/** `a` where `condition` holds, else `b`; the three shapes broadcast. */
export const where = (g: GraphBuilder, condition: Value, a: Operand, b: Operand): Value =>
  g.op('Where', [condition, operand(g, a), operand(g, b)]);
/** `x`, held between the scalars `low` and `high`. */
export const clip = (g: GraphBuilder, x: Value, low: Operand, high: Operand): Value =>
  g.op('Clip', [x, operand(g, low), operand(g, high)]);
/** `x` in another element type; `x` itself where it has that type. */
export const cast = (g: GraphBuilder, x: Value, to: DType): Value =>
  x.dtype === to ? x : g.op('Cast', [x], { to: DATA_TYPE[to] });

/** `e^x / Σ e^x` along `axis`. */
export const softmax = (g: GraphBuilder, x: Value, axis = -1): Value => g.op('Softmax', [x], { axis });
/** `x − log Σ e^x` along `axis`. */
export const logSoftmax = (g: GraphBuilder, x: Value, axis = -1): Value => g.op('LogSoftmax', [x], { axis });

/** `[…, m, k] × […, k, n]` → `[…, m, n]`; leading axes broadcast. */
export const matmul = (g: GraphBuilder, a: Value, b: Value): Value => g.op('MatMul', [a, b]);

export interface FusedMatMulOptions {
  transA?: boolean;
  transB?: boolean;
  /** Moves axis 0 of the operand behind its other batch axes: [T, N, d] is read as [N, T, d]. */
  transBatchA?: boolean;
  transBatchB?: boolean;
  alpha?: number;
}
/** `alpha · op(a) op(b)` over batches, without materialising the transposed operands. */
export const fusedMatMul = (g: GraphBuilder, a: Value, b: Value, options: FusedMatMulOptions = {}): Value =>
  g.op(
    'FusedMatMul',
    [a, b],
    {
      transA: Number(options.transA ?? false),
      transB: Number(options.transB ?? false),
      transBatchA: Number(options.transBatchA ?? false),
      transBatchB: Number(options.transBatchB ?? false),
      alpha: float(options.alpha ?? 1),
    },
    { domain: CONTRIB },
  );

export interface GemmOptions {
  transA?: boolean;
  transB?: boolean;
  alpha?: number;
  /** Added to the product; broadcast to its shape. */
  bias?: Value;
}
/** `alpha · op(a) op(b) + bias` for matrices. */
export const gemm = (g: GraphBuilder, a: Value, b: Value, options: GemmOptions = {}): Value =>
  g.op('Gemm', options.bias ? [a, b, options.bias] : [a, b], {
    transA: Number(options.transA ?? false),
    transB: Number(options.transB ?? false),
    alpha: float(options.alpha ?? 1),
  });

const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((dim, i) => dim === b[i]);

/** The same elements in row-major order under another shape; `x` itself where it has that shape. */
export const reshape = (g: GraphBuilder, x: Value, shape: readonly number[]): Value =>
  sameShape(x.shape, shape) ? x : g.op('Reshape', [x, g.ints(shape)]);
/** Axis `i` of the result is axis `perm[i]` of `x`. */
export const transpose = (g: GraphBuilder, x: Value, perm: readonly number[]): Value =>
  g.op('Transpose', [x], { perm });
/** Axes of length 1 at the positions `axes` of the result. */
export const unsqueeze = (g: GraphBuilder, x: Value, axes: readonly number[]): Value =>
  g.op('Unsqueeze', [x, g.ints(axes)]);
/** Without the axes `axes`, which have length 1. */
export const squeeze = (g: GraphBuilder, x: Value, axes: readonly number[]): Value =>
  g.op('Squeeze', [x, g.ints(axes)]);
/** `x`, broadcast to `shape`; `x` itself where it has that shape. */
export const expand = (g: GraphBuilder, x: Value, shape: readonly number[]): Value =>
  sameShape(x.shape, shape) ? x : g.op('Expand', [x, g.ints(shape)]);
/** Along `axis`; the other axes agree. */
export const concat = (g: GraphBuilder, values: readonly Value[], axis: number): Value =>
  g.op('Concat', values, { axis });
/** Parts of the given sizes along `axis`. */
export const split = (g: GraphBuilder, x: Value, sizes: readonly number[], axis: number): Value[] =>
  g.ops('Split', [x, g.ints(sizes)], { axis }) as Value[];
/** Elements `start` … `end`−1 along `axis`. */
export const slice = (g: GraphBuilder, x: Value, axis: number, start: number, end: number): Value =>
  g.op('Slice', [x, g.ints([start]), g.ints([end]), g.ints([axis])]);
/** Slices of `x` along `axis`: that axis gives way to the axes of `indices` (int64). */
export const gather = (g: GraphBuilder, x: Value, indices: Value, axis = 0): Value =>
  g.op('Gather', [x, indices], { axis });
/** One element for each of `indices` (int64), which names its place along `axis`; of the shape of `indices`. */
export const gatherElements = (g: GraphBuilder, x: Value, indices: Value, axis: number): Value =>
  g.op('GatherElements', [x, indices], { axis });
/**
 * `data` with `updates` [n, …] added at the rows that `indices` [n] name; repeated rows accumulate in order. Element by
 * element, because `ScatterND` shares rows out between threads and loses additions where two meet in one row.
 */
export const scatterAdd = (g: GraphBuilder, data: Value, indices: Value, updates: Value): Value => {
  const column =
    updates.shape.length > 1 ? unsqueeze(g, indices, updates.shape.map((_, i) => i).slice(1)) : indices;
  const places = expand(g, column, updates.shape);
  return g.op('ScatterElements', [data, places, updates], { axis: 0, reduction: 'add' });
};

const reduction =
  (type: string) =>
  (g: GraphBuilder, x: Value, axes?: readonly number[], keepdims = true): Value =>
    g.op(type, axes ? [x, g.ints(axes)] : [x], { keepdims: Number(keepdims) });
/** Sum over `axes`, or over all; `keepdims` leaves axes of length 1. */
export const reduceSum = reduction('ReduceSum');
/** Mean; see {@link reduceSum}. */
export const reduceMean = reduction('ReduceMean');
/** Largest element; see {@link reduceSum}. */
export const reduceMax = reduction('ReduceMax');
/** `Σ x²`; see {@link reduceSum}. */
export const reduceSumSquare = reduction('ReduceSumSquare');

/**
 * RMS normalisation `x · rsqrt(mean(x²) + epsilon) · scale` over the last axis.
 * @returns the normalised tensor and the reciprocal root mean square, shape [..., 1]
 */
export const rmsNorm = (
  g: GraphBuilder,
  x: Value,
  scale: Value,
  epsilon: number,
): { y: Value; inverseRms: Value } => {
  const [y, inverseRms] = g.ops(
    'SimplifiedLayerNormalization',
    [x, scale],
    { axis: -1, epsilon: float(epsilon), stash_type: 1 },
    { outputs: 2 },
  ) as [Value, Value];
  return { y, inverseRms };
};
