/** Static shape and type inference: what each operator's outputs look like, given its inputs. */
import type { Attributes, DType, FloatAttribute, Shape, Value } from './types.js';
import { DATA_TYPE } from './types.js';

export interface OutputSpec {
  dtype: DType;
  shape: Shape;
}
/** Inputs of a node; null for optional ones that are not given. */
export type Inputs = readonly (Value | null)[];
type Infer = (inputs: Inputs, attributes: Attributes, outputs: number) => OutputSpec[];

/** @throws if the operator is not known here; the caller then has to give the outputs itself. */
export function inferOutputs(
  opType: string,
  inputs: Inputs,
  attributes: Attributes,
  outputs: number,
): OutputSpec[] {
  const rule = RULES[opType];
  if (!rule) throw new Error(`no shape inference for ${opType}: pass its outputs to op()`);
  return rule(inputs, attributes, outputs);
}

/** Numpy broadcasting. */
function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - (rank - a.length)] ?? 1;
    const y = b[i - (rank - b.length)] ?? 1;
    if (x !== y && x !== 1 && y !== 1)
      throw new Error(`shapes [${a.join()}] and [${b.join()}] do not broadcast`);
    return x === 1 ? y : x;
  });
}

/** Contents of an integer constant as numbers. */
export function integers(value: Value | null | undefined, what: string): number[] {
  if (!value?.data) throw new Error(`${what} must be a constant`);
  return Array.from(value.data as ArrayLike<number | bigint>, Number);
}

/** An axis that may count from the end (−1 is the last), counted from the start. */
export const normalizeAxis = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** An integer attribute, or `otherwise` where it is not given. */
export function intAttribute(attributes: Attributes, name: string, otherwise: number): number {
  const value = attributes[name];
  return typeof value === 'number' ? value : otherwise;
}
/** A float attribute, or `otherwise` where it is not given. */
export function floatAttribute(attributes: Attributes, name: string, otherwise: number): number {
  const value = attributes[name] as FloatAttribute | undefined;
  return value?.float ?? otherwise;
}

function need(inputs: Inputs, index: number): Value {
  const value = inputs[index];
  if (!value) throw new Error(`operator input ${index} is missing`);
  return value;
}
const like = (value: Value): OutputSpec => ({ dtype: value.dtype, shape: value.shape });
const sameAsFirst: Infer = (inputs) => [like(need(inputs, 0))];
const broadcast: Infer = (inputs) => [
  {
    dtype: need(inputs, 0).dtype,
    shape: inputs.reduce<Shape>((shape, value) => (value ? broadcastShapes(shape, value.shape) : shape), []),
  },
];
const comparison: Infer = (inputs, attributes, n) => [
  { dtype: 'bool', shape: broadcast(inputs, attributes, n)[0]!.shape },
];

function matMulShape(a: Shape, b: Shape): Shape {
  if (a.length < 2 || b.length < 2) throw new Error('matrix products need operands of rank 2 or more');
  if (a.at(-1) !== b.at(-2))
    throw new Error(`matrix product of [${a.join()}] and [${b.join()}]: inner sizes differ`);
  return [...broadcastShapes(a.slice(0, -2), b.slice(0, -2)), a.at(-2)!, b.at(-1)!];
}
/** FusedMatMul's view of an operand: batch transposition first, then that of the last two axes. */
function fusedOperandShape(shape: Shape, transpose: boolean, transposeBatch: boolean): Shape {
  const s = [...shape];
  const view = transposeBatch ? [...s.slice(1, -1), s[0]!, s.at(-1)!] : s;
  return transpose ? [...view.slice(0, -2), view.at(-1)!, view.at(-2)!] : view;
}

const fusedMatMul: Infer = (inputs, at) => {
  const a = fusedOperandShape(need(inputs, 0).shape, !!at.transA, !!at.transBatchA);
  const b = fusedOperandShape(need(inputs, 1).shape, !!at.transB, !!at.transBatchB);
  return [{ dtype: need(inputs, 0).dtype, shape: matMulShape(a, b) }];
};

const gemm: Infer = (inputs, at) => {
  const a = fusedOperandShape(need(inputs, 0).shape, !!at.transA, false);
  const b = fusedOperandShape(need(inputs, 1).shape, !!at.transB, false);
  const shape = matMulShape(a, b);
  if (inputs[2] && broadcastShapes(inputs[2].shape, shape).join() !== shape.join()) {
    throw new Error(`Gemm: bias [${inputs[2].shape.join()}] does not fit [${shape.join()}]`);
  }
  return [{ dtype: need(inputs, 0).dtype, shape }];
};

const reshape: Infer = (inputs) => {
  const from = need(inputs, 0);
  const target = integers(inputs[1], 'Reshape: the shape').map((dim, i) =>
    dim === 0 ? from.shape[i]! : dim,
  );
  // With two unknown sizes there is nothing to check; -1 then stands for unknown.
  if (from.shape.filter((dim) => dim < 0).length > 1) return [{ dtype: from.dtype, shape: target }];
  const total = from.shape.reduce((x, y) => x * y, 1);
  const known = target.reduce((x, y) => (y < 0 ? x : x * y), 1);
  const shape = target.map((dim) => (dim < 0 ? total / known : dim));
  if (shape.reduce((x, y) => x * y, 1) !== total || shape.some((dim) => !Number.isInteger(dim))) {
    throw new Error(`Reshape: [${from.shape.join()}] has not as many elements as [${target.join()}]`);
  }
  return [{ dtype: from.dtype, shape }];
};

const reduce: Infer = (inputs, at) => {
  const x = need(inputs, 0);
  const axes = inputs[1] ? integers(inputs[1], 'reduction axes') : x.shape.map((_, i) => i);
  return [{ dtype: x.dtype, shape: dropAxes(x.shape, axes, intAttribute(at, 'keepdims', 1) === 1) }];
};
function dropAxes(shape: Shape, axes: readonly number[], keep: boolean): Shape {
  const drop = new Set(axes.map((axis) => normalizeAxis(axis, shape.length)));
  return keep ? shape.map((dim, i) => (drop.has(i) ? 1 : dim)) : shape.filter((_, i) => !drop.has(i));
}
const argReduce: Infer = (inputs, at) => {
  const x = need(inputs, 0);
  const shape = dropAxes(x.shape, [intAttribute(at, 'axis', 0)], intAttribute(at, 'keepdims', 1) === 1);
  return [{ dtype: 'int64', shape }];
};

const gather: Infer = (inputs, at) => {
  const x = need(inputs, 0);
  const axis = normalizeAxis(intAttribute(at, 'axis', 0), x.shape.length);
  return [
    {
      dtype: x.dtype,
      shape: [...x.shape.slice(0, axis), ...need(inputs, 1).shape, ...x.shape.slice(axis + 1)],
    },
  ];
};

const concat: Infer = (inputs, at) => {
  const first = need(inputs, 0);
  const axis = normalizeAxis(intAttribute(at, 'axis', 0), first.shape.length);
  const total = inputs.reduce((sum, _, i) => sum + need(inputs, i).shape[axis]!, 0);
  return [{ dtype: first.dtype, shape: first.shape.map((dim, i) => (i === axis ? total : dim)) }];
};

const split: Infer = (inputs, at) => {
  const x = need(inputs, 0);
  const axis = normalizeAxis(intAttribute(at, 'axis', 0), x.shape.length);
  const sizes = integers(inputs[1], 'Split: the sizes');
  if (sizes.reduce((a, b) => a + b, 0) !== x.shape[axis])
    throw new Error('Split: sizes do not add up to the axis');
  return sizes.map((size) => ({ dtype: x.dtype, shape: x.shape.map((dim, i) => (i === axis ? size : dim)) }));
};

const slice: Infer = (inputs) => {
  const x = need(inputs, 0);
  const starts = integers(inputs[1], 'Slice: starts');
  const ends = integers(inputs[2], 'Slice: ends');
  const axes = inputs[3] ? integers(inputs[3], 'Slice: axes') : starts.map((_, i) => i);
  const shape = [...x.shape];
  axes.forEach((rawAxis, i) => {
    const axis = normalizeAxis(rawAxis, shape.length);
    const dim = x.shape[axis]!;
    const clamp = (at: number): number => Math.min(dim, Math.max(0, at < 0 ? at + dim : at));
    shape[axis] = Math.max(0, clamp(ends[i]!) - clamp(starts[i]!));
  });
  return [{ dtype: x.dtype, shape }];
};

const unsqueeze: Infer = (inputs) => {
  const x = need(inputs, 0);
  const axes = integers(inputs[1], 'Unsqueeze: axes');
  const rank = x.shape.length + axes.length;
  const added = new Set(axes.map((axis) => normalizeAxis(axis, rank)));
  const rest = [...x.shape];
  return [
    { dtype: x.dtype, shape: Array.from({ length: rank }, (_, i) => (added.has(i) ? 1 : rest.shift()!)) },
  ];
};

const transpose: Infer = (inputs, at) => {
  const x = need(inputs, 0);
  return [{ dtype: x.dtype, shape: (at.perm as readonly number[]).map((axis) => x.shape[axis]!) }];
};

const normalization: Infer = (inputs, _, outputs) => {
  const x = need(inputs, 0);
  const statistic: OutputSpec = { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] };
  return [like(x), statistic, statistic].slice(0, outputs);
};

const cast: Infer = (inputs, at) => {
  const dtype = (Object.keys(DATA_TYPE) as DType[]).find((name) => DATA_TYPE[name] === at.to);
  if (!dtype) throw new Error(`Cast: unknown target type ${JSON.stringify(at.to)}`);
  return [{ dtype, shape: need(inputs, 0).shape }];
};

function rules(infer: Infer, ...names: string[]): Record<string, Infer> {
  return Object.fromEntries(names.map((name) => [name, infer]));
}
const RULES: Record<string, Infer> = {
  ...rules(broadcast, 'Add', 'Sub', 'Mul', 'Div', 'Pow', 'Min', 'Max', 'Mod', 'And', 'Or'),
  ...rules(comparison, 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual', 'Equal'),
  ...rules(
    sameAsFirst,
    'Neg',
    'Exp',
    'Log',
    'Sqrt',
    'Sigmoid',
    'Tanh',
    'Softplus',
    'Relu',
    'Reciprocal',
    'Abs',
    'Erf',
    'Floor',
  ),
  ...rules(
    sameAsFirst,
    'Identity',
    'Not',
    'Softmax',
    'LogSoftmax',
    'Clip',
    'CumSum',
    'QuickGelu',
    'Sin',
    'Cos',
  ),
  ...rules(sameAsFirst, 'ScatterND', 'ScatterElements', 'RotaryEmbedding', 'Trilu', 'Sign'),
  ...rules(reduce, 'ReduceSum', 'ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceSumSquare', 'ReduceProd'),
  ...rules(argReduce, 'ArgMax', 'ArgMin'),
  ...rules(transpose, 'Transpose'),
  ...rules(normalization, 'SimplifiedLayerNormalization'),
  MatMul: fusedMatMul,
  FusedMatMul: fusedMatMul,
  Gemm: gemm,
  Reshape: reshape,
  Gather: gather,
  GatherElements: (inputs) => [{ dtype: need(inputs, 0).dtype, shape: need(inputs, 1).shape }],
  Concat: concat,
  Split: split,
  Slice: slice,
  Unsqueeze: unsqueeze,
  Squeeze: (inputs) => [
    {
      ...like(need(inputs, 0)),
      shape: dropAxes(need(inputs, 0).shape, integers(inputs[1], 'Squeeze: axes'), false),
    },
  ],
  Where: (inputs, at, n) => [{ dtype: need(inputs, 1).dtype, shape: broadcast(inputs, at, n)[0]!.shape }],
  Cast: cast,
  Expand: (inputs) => [
    {
      dtype: need(inputs, 0).dtype,
      shape: broadcastShapes(need(inputs, 0).shape, integers(inputs[1], 'Expand: the shape')),
    },
  ],
};
