/** Gradients of operators that only move elements. */
import * as ops from '../onnx/ops.js';
import { integers, intAttribute, normalizeAxis } from '../onnx/shape-inference.js';
import type { Rule, Rules } from './rule.js';
import { gradientOf, sumTo } from './rule.js';

const asInput: Rule = (c) => [ops.reshape(c.g, gradientOf(c), c.inputs[0]!.shape), null];

const transpose: Rule = (c) => {
  const perm = c.node.attributes.perm as readonly number[];
  const inverse = perm.map((_, axis) => perm.indexOf(axis));
  return [ops.transpose(c.g, gradientOf(c), inverse)];
};

const concat: Rule = (c) => {
  const axis = normalizeAxis(intAttribute(c.node.attributes, 'axis', 0), c.outputs[0]!.shape.length);
  const sizes = c.inputs.map((input) => input.shape[axis]!);
  return ops.split(c.g, gradientOf(c), sizes, axis);
};

const split: Rule = (c) => {
  const axis = intAttribute(c.node.attributes, 'axis', 0);
  const parts = c.outputs.map((output, i) => c.gradients[i] ?? ops.expand(c.g, c.g.scalar(0), output.shape));
  return [ops.concat(c.g, parts, axis), null];
};

const slice: Rule = (c) => {
  const x = c.inputs[0]!;
  const starts = integers(c.inputs[1], 'Slice: starts');
  const axes = c.inputs[3] ? integers(c.inputs[3], 'Slice: axes') : starts.map((_, i) => i);
  if (c.inputs[4]) throw new Error('Slice is differentiable without steps only');
  const before = x.shape.map(() => 0);
  const after = x.shape.map(() => 0);
  axes.forEach((rawAxis, i) => {
    const axis = normalizeAxis(rawAxis, x.shape.length);
    const start = Math.min(x.shape[axis]!, starts[i]! < 0 ? starts[i]! + x.shape[axis]! : starts[i]!);
    before[axis] = start;
    after[axis] = x.shape[axis]! - start - c.outputs[0]!.shape[axis]!;
  });
  const padded = c.g.op('Pad', [gradientOf(c), c.g.ints([...before, ...after])], {}, { specs: [x] });
  return [padded, null, null, null];
};

const expand: Rule = (c) => [sumTo(c.g, gradientOf(c), c.inputs[0]!.shape), null];

export const shapeRules: Rules = {
  Reshape: asInput,
  Squeeze: asInput,
  Unsqueeze: asInput,
  Transpose: transpose,
  Concat: concat,
  Split: split,
  Slice: slice,
  Expand: expand,
};
