/** Gradients of the softmax family. */
import * as ops from '../onnx/ops.js';
import { intAttribute } from '../onnx/shape-inference.js';
import type { Rule, Rules } from './rule.js';
import { gradientOf } from './rule.js';

/** dx = y ∘ (dy − Σ dy∘y) */
const softmax: Rule = (c) => {
  const [d, y] = [gradientOf(c), c.outputs[0]!];
  const axis = intAttribute(c.node.attributes, 'axis', -1);
  const inner = ops.reduceSum(c.g, ops.mul(c.g, d, y), [axis]);
  return [ops.mul(c.g, y, ops.sub(c.g, d, inner))];
};

/** dx = dy − exp(y) · Σ dy */
const logSoftmax: Rule = (c) => {
  const [d, y] = [gradientOf(c), c.outputs[0]!];
  const axis = intAttribute(c.node.attributes, 'axis', -1);
  const total = ops.reduceSum(c.g, d, [axis]);
  return [ops.sub(c.g, d, ops.mul(c.g, ops.exp(c.g, y), total))];
};

export const softmaxRules: Rules = { Softmax: softmax, LogSoftmax: logSoftmax };
