/** Shorthand for the operators that our graphs use most. Numbers stand for float32 scalars. */
import type { GraphBuilder } from './graph-builder.js';
import type { DType, Value } from './types.js';
import { CONTRIB, DATA_TYPE, float } from './types.js';

type Operand = Value | number;
const operand = (g: GraphBuilder, x: Operand): Value => (typeof x === 'number' ? g.scalar(x) : x);
const binary =
  (type: string) =>
  (g: GraphBuilder, a: Operand, b: Operand): Value =>
    g.op(type, [operand(g, a), operand(g, b)]);
const unary =
  (type: string) =>
  (g: GraphBuilder, x: Value): Value =>
    g.op(type, [x]);

export const add = binary('Add');
export const sub = binary('Sub');
export const mul = binary('Mul');
export const div = binary('Div');
export const less = binary('Less');
export const lessOrEqual = binary('LessOrEqual');
export const greater = binary('Greater');
export const equal = binary('Equal');
export const maximum = binary('Max');
export const minimum = binary('Min');
export const neg = unary('Neg');
export const exp = unary('Exp');
export const log = unary('Log');
export const sqrt = unary('Sqrt');
export const reciprocal = unary('Reciprocal');
export const sigmoid = unary('Sigmoid');
export const tanh = unary('Tanh');
/** log(1 + exp(x)) */
export const softplus = unary('Softplus');

export const where = (g: GraphBuilder, condition: Value, a: Operand, b: Operand): Value =>
  g.op('Where', [condition, operand(g, a), operand(g, b)]);
export const clip = (g: GraphBuilder, x: Value, low: Operand, high: Operand): Value =>
  g.op('Clip', [x, operand(g, low), operand(g, high)]);
export const cast = (g: GraphBuilder, x: Value, to: DType): Value =>
  x.dtype === to ? x : g.op('Cast', [x], { to: DATA_TYPE[to] });

export const softmax = (g: GraphBuilder, x: Value, axis = -1): Value => g.op('Softmax', [x], { axis });
export const logSoftmax = (g: GraphBuilder, x: Value, axis = -1): Value => g.op('LogSoftmax', [x], { axis });

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

export const reshape = (g: GraphBuilder, x: Value, shape: readonly number[]): Value =>
  sameShape(x.shape, shape) ? x : g.op('Reshape', [x, g.ints(shape)]);
export const transpose = (g: GraphBuilder, x: Value, perm: readonly number[]): Value =>
  g.op('Transpose', [x], { perm });
export const unsqueeze = (g: GraphBuilder, x: Value, axes: readonly number[]): Value =>
  g.op('Unsqueeze', [x, g.ints(axes)]);
export const squeeze = (g: GraphBuilder, x: Value, axes: readonly number[]): Value =>
  g.op('Squeeze', [x, g.ints(axes)]);
export const expand = (g: GraphBuilder, x: Value, shape: readonly number[]): Value =>
  sameShape(x.shape, shape) ? x : g.op('Expand', [x, g.ints(shape)]);
export const concat = (g: GraphBuilder, values: readonly Value[], axis: number): Value =>
  g.op('Concat', values, { axis });
export const split = (g: GraphBuilder, x: Value, sizes: readonly number[], axis: number): Value[] =>
  g.ops('Split', [x, g.ints(sizes)], { axis }) as Value[];
/** Elements `start` … `end`−1 along `axis`. */
export const slice = (g: GraphBuilder, x: Value, axis: number, start: number, end: number): Value =>
  g.op('Slice', [x, g.ints([start]), g.ints([end]), g.ints([axis])]);
export const gather = (g: GraphBuilder, x: Value, indices: Value, axis = 0): Value =>
  g.op('Gather', [x, indices], { axis });
export const gatherElements = (g: GraphBuilder, x: Value, indices: Value, axis: number): Value =>
  g.op('GatherElements', [x, indices], { axis });
/** `data` with `updates` added at the rows that `indices` [..., 1] name; repeated rows accumulate in order. */
export const scatterAdd = (g: GraphBuilder, data: Value, indices: Value, updates: Value): Value =>
  g.op('ScatterND', [data, indices, updates], { reduction: 'add' });

const reduction =
  (type: string) =>
  (g: GraphBuilder, x: Value, axes?: readonly number[], keepdims = true): Value =>
    g.op(type, axes ? [x, g.ints(axes)] : [x], { keepdims: Number(keepdims) });
export const reduceSum = reduction('ReduceSum');
export const reduceMean = reduction('ReduceMean');
export const reduceMax = reduction('ReduceMax');
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
