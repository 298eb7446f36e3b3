/** Gradient of rotary embeddings: a rotation's transpose is the rotation by the opposite angle. */
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';
import { CONTRIB } from '../onnx/types.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Rule, Rules } from './rule.js';
import { gradientOf } from './rule.js';

const rotary: Rule = (c) => {
  const [, positions, cosine, sine] = c.inputs as [Value, Value, Value, Value];
  const opposite = negated(c.g, sine);
  return [
    c.g.op('RotaryEmbedding', [gradientOf(c), positions, cosine, opposite], c.node.attributes, {
      domain: CONTRIB,
    }),
    null,
    null,
    null,
  ];
};

/** −x, at build time where `x` is a constant. */
function negated(g: GraphBuilder, x: Value): Value {
  return x.data instanceof Float32Array
    ? g.constant(
        'float32',
        x.shape,
        x.data.map((value) => -value),
      )
    : ops.neg(g, x);
}

export const ropeRules: Rules = { RotaryEmbedding: rotary };
