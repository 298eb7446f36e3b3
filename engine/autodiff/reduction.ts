/** Gradients of reductions. */
import * as ops from '../onnx/ops.js';
import { integers, normalizeAxis } from '../onnx/shape-inference.js';
import { elements } from '../onnx/types.js';
import type { Value } from '../onnx/types.js';
import type { Rule, RuleContext, Rules } from './rule.js';
import { gradientOf } from './rule.js';

/** A reduced tensor with its reduced axes back as ones, so that it broadcasts against the input. */
function keepDims(c: RuleContext, reduced: Value): Value {
  const x = c.inputs[0]!;
  const axes = c.node.inputs[1] ? integers(c.node.inputs[1], 'reduction axes') : x.shape.map((_, i) => i);
  const dropped = new Set(axes.map((axis) => normalizeAxis(axis, x.shape.length)));
  return ops.reshape(
    c.g,
    reduced,
    x.shape.map((dim, i) => (dropped.has(i) ? 1 : dim)),
  );
}

const sum: Rule = (c) => [ops.expand(c.g, keepDims(c, gradientOf(c)), c.inputs[0]!.shape), null];

const mean: Rule = (c) => {
  const x = c.inputs[0]!;
  const count = elements(x.shape) / elements(c.outputs[0]!.shape);
  const each = ops.mul(c.g, keepDims(c, gradientOf(c)), 1 / count);
  return [ops.expand(c.g, each, x.shape), null];
};

const sumSquare: Rule = (c) => {
  const twice = ops.mul(c.g, keepDims(c, gradientOf(c)), 2);
  return [ops.mul(c.g, c.inputs[0]!, twice), null];
};

/** The gradient goes to the largest elements, in equal parts where several are equal, as `amax` in PyTorch. */
const max: Rule = (c) => {
  const x = c.inputs[0]!;
  const hit = ops.cast(c.g, ops.equal(c.g, x, keepDims(c, c.outputs[0]!)), 'float32');
  const axes = c.node.inputs[1] ? integers(c.node.inputs[1], 'reduction axes') : undefined;
  const share = ops.div(c.g, keepDims(c, gradientOf(c)), ops.reduceSum(c.g, hit, axes, true));
  return [ops.mul(c.g, hit, share), null];
};

export const reductionRules: Rules = {
  ReduceSum: sum,
  ReduceMean: mean,
  ReduceSumSquare: sumSquare,
  ReduceMax: max,
};
