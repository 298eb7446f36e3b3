import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';
import { silu } from './elementwise.js';

/** silu(gate) ∘ up, both [rows, size], with the gradient in closed form. */
export function swiglu(g: GraphBuilder, gate: Value, up: Value): Value {
  let activated: Value | undefined;
  const [out] = g.composite(
    [gate, up],
    () => {
      activated = silu(g, gate);
      return [ops.mul(g, activated, up)] as [Value];
    },
    ([d]) => {
      // silu′ = σ + silu·(1 − σ)
      const sigma = ops.sigmoid(g, gate);
      const slope = ops.sub(g, ops.add(g, sigma, activated!), ops.mul(g, sigma, activated!));
      return [ops.mul(g, ops.mul(g, d!, up), slope), ops.mul(g, d!, activated!)];
    },
  );
  return out;
}
