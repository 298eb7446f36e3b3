/** Gradients of elementwise operators. Binary ones undo broadcasting. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import { floatAttribute } from '../onnx/shape-inference.js';
import type { Value } from '../onnx/types.js';
import { float, CONTRIB } from '../onnx/types.js';
import type { Rule, Rules } from './rule.js';
import { gradientOf, sumTo } from './rule.js';

type Binary = (g: GraphBuilder, d: Value, a: Value, b: Value, y: Value) => Value;
const binary =
  (da: Binary, db: Binary): Rule =>
  (c) => {
    const d = gradientOf(c);
    const [a, b, y] = [c.inputs[0]!, c.inputs[1]!, c.outputs[0]!];
    return [
      c.needs[0] ? sumTo(c.g, da(c.g, d, a, b, y), a.shape) : null,
      c.needs[1] ? sumTo(c.g, db(c.g, d, a, b, y), b.shape) : null,
    ];
  };
const unary =
  (dx: (g: GraphBuilder, d: Value, x: Value, y: Value) => Value): Rule =>
  (c) => [dx(c.g, gradientOf(c), c.inputs[0]!, c.outputs[0]!)];

/** Where a wins (or both are equal: half), as PyTorch splits ties. */
const share =
  (wins: (g: GraphBuilder, a: Value, b: Value) => Value) =>
  (g: GraphBuilder, d: Value, a: Value, b: Value): Value => {
    const half = ops.mul(g, d, 0.5);
    return ops.where(g, ops.equal(g, a, b), half, ops.where(g, wins(g, a, b), d, 0));
  };
const greater = share((g, a, b) => ops.greater(g, a, b));
const less = share((g, a, b) => ops.less(g, a, b));

const where: Rule = (c) => {
  const d = gradientOf(c);
  const [condition, a, b] = [c.inputs[0]!, c.inputs[1]!, c.inputs[2]!];
  return [
    null,
    c.needs[1] ? sumTo(c.g, ops.where(c.g, condition, d, 0), a.shape) : null,
    c.needs[2] ? sumTo(c.g, ops.where(c.g, condition, 0, d), b.shape) : null,
  ];
};

/** One inside the interval and on its ends, zero outside, as in PyTorch. */
const clip: Rule = (c) => {
  const d = gradientOf(c);
  const [x, low, high] = [c.inputs[0]!, c.inputs[1]!, c.inputs[2]!];
  const inside = c.g.op('And', [c.g.op('GreaterOrEqual', [x, low]), ops.lessOrEqual(c.g, x, high)]);
  return [ops.where(c.g, inside, d, 0), null, null];
};

/** d/dx x·σ(αx) = σ + α·y·(1 − σ), with y the output. */
const quickGelu: Rule = (c) => {
  const alpha = floatAttribute(c.node.attributes, 'alpha', 1.702);
  const x = c.inputs[0]!;
  const sigma = ops.sigmoid(c.g, alpha === 1 ? x : ops.mul(c.g, x, alpha));
  const y = alpha === 1 ? c.outputs[0]! : ops.mul(c.g, c.outputs[0]!, alpha);
  const slope = ops.sub(c.g, ops.add(c.g, sigma, y), ops.mul(c.g, sigma, y));
  return [ops.mul(c.g, gradientOf(c), slope)];
};

/** x^n for a constant exponent. */
const power: Rule = (c) => {
  const exponent = c.inputs[1]!;
  const n = exponent.data?.[0];
  if (typeof n !== 'number' || exponent.data?.length !== 1 || c.needs[1]) {
    throw new Error('Pow is differentiable for a constant scalar exponent only');
  }
  const slope = ops.mul(c.g, c.g.op('Pow', [c.inputs[0]!, c.g.scalar(n - 1)]), n);
  return [ops.mul(c.g, gradientOf(c), slope), null];
};

export const elementwiseRules: Rules = {
  Add: binary(
    (_, d) => d,
    (_, d) => d,
  ),
  Sub: binary(
    (_, d) => d,
    (g, d) => ops.neg(g, d),
  ),
  Mul: binary(
    (g, d, _a, b) => ops.mul(g, d, b),
    (g, d, a) => ops.mul(g, d, a),
  ),
  Div: binary(
    (g, d, _a, b) => ops.div(g, d, b),
    (g, d, _a, b, y) => ops.neg(g, ops.div(g, ops.mul(g, d, y), b)),
  ),
  Max: binary(
    (g, d, a, b) => greater(g, d, a, b),
    (g, d, a, b) => greater(g, d, b, a),
  ),
  Min: binary(
    (g, d, a, b) => less(g, d, a, b),
    (g, d, a, b) => less(g, d, b, a),
  ),
  Neg: unary((g, d) => ops.neg(g, d)),
  Exp: unary((g, d, _x, y) => ops.mul(g, d, y)),
  Log: unary((g, d, x) => ops.div(g, d, x)),
  Sqrt: unary((g, d, _x, y) => ops.div(g, ops.mul(g, d, 0.5), y)),
  Reciprocal: unary((g, d, _x, y) => ops.neg(g, ops.mul(g, d, ops.mul(g, y, y)))),
  Sigmoid: unary((g, d, _x, y) => ops.mul(g, d, ops.sub(g, y, ops.mul(g, y, y)))),
  Softplus: unary((g, d, x) => ops.mul(g, d, ops.sigmoid(g, x))),
  Tanh: unary((g, d, _x, y) => ops.mul(g, d, ops.sub(g, 1, ops.mul(g, y, y)))),
  Relu: unary((g, d, x) => ops.where(g, ops.greater(g, x, 0), d, 0)),
  Abs: unary((g, d, x) => ops.mul(g, d, g.op('Sign', [x]))),
  Identity: unary((_, d) => d),
  QuickGelu: quickGelu,
  Pow: power,
  Where: where,
  Clip: clip,
};

/** x · σ(x), one operator. */
export const silu = (g: GraphBuilder, x: Value): Value =>
  g.op('QuickGelu', [x], { alpha: float(1) }, { domain: CONTRIB });
