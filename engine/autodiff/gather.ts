/** Gradients of look-ups. */
import * as ops from '../onnx/ops.js';
import { intAttribute } from '../onnx/shape-inference.js';
import { elements } from '../onnx/types.js';
import type { Rule, Rules } from './rule.js';
import { gradientOf } from './rule.js';

/** Rows of a table: the gradient stays sparse until it is added up. Indices must be int64 and not negative. */
const gather: Rule = (c) => {
  if (intAttribute(c.node.attributes, 'axis', 0) !== 0)
    throw new Error('Gather is differentiable along axis 0 only');
  const [table, indices] = [c.inputs[0]!, c.inputs[1]!];
  const n = elements(indices.shape);
  return [
    {
      indices: ops.reshape(c.g, ops.cast(c.g, indices, 'int64'), [n]),
      rows: ops.reshape(c.g, gradientOf(c), [n, ...table.shape.slice(1)]),
    },
    null,
  ];
};

const gatherElements: Rule = (c) => {
  const [x, indices] = [c.inputs[0]!, c.inputs[1]!];
  const axis = intAttribute(c.node.attributes, 'axis', 0);
  const zeros = ops.expand(c.g, c.g.scalar(0), x.shape);
  return [c.g.op('ScatterElements', [zeros, indices, gradientOf(c)], { axis, reduction: 'add' }), null];
};

export const gatherRules: Rules = { Gather: gather, GatherElements: gatherElements };
