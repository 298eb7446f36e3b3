import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';
import { silu } from './elementwise.js';

/** silu(gate) ∘ up, both [rows, size], with the gradient in closed form. */
export function swiglu(g: GraphBuilder, gate: Value, up: Value): Value {
  let saved: { activated: Value; out: Value } | undefined;
  const [out] = g.composite(
    [gate, up],
    () => {
      const activated = silu(g, gate);
      saved = { activated, out: ops.mul(g, activated, up) };
      return [saved.out] as [Value];
    },
    ([d]) => {
      // silu′ = σ + silu·(1 − σ), so up·silu′ = out + σ·(up − out).
      const { activated, out: product } = saved!;
      const slope = ops.add(g, product, ops.mul(g, ops.sigmoid(g, gate), ops.sub(g, up, product)));
      return [ops.mul(g, d!, slope), ops.mul(g, d!, activated)];
    },
  );
  return out;
}
