import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';
import { silu } from './elementwise.js';

/**
 * silu(gate) ∘ up, with the gradient in closed form.
 * @param gateUp [rows, 2·size]: gate, then up
 * @returns [rows, size]
 */
export function swiglu(g: GraphBuilder, gateUp: Value): Value {
  const size = gateUp.shape[1]! / 2;
  let saved: { gate: Value; up: Value; activated: Value } | undefined;
  const [out] = g.composite(
    [gateUp],
    () => {
      const [gate, up] = ops.split(g, gateUp, [size, size], 1) as [Value, Value];
      const activated = silu(g, gate);
      saved = { gate, up, activated };
      return [ops.mul(g, activated, up)] as [Value];
    },
    ([d]) => {
      const { gate, up, activated } = saved!;
      // silu′ = σ + silu·(1 − σ)
      const sigma = ops.sigmoid(g, gate);
      const slope = ops.sub(g, ops.add(g, sigma, activated), ops.mul(g, sigma, activated));
      const dGate = ops.mul(g, ops.mul(g, d!, up), slope);
      return [ops.concat(g, [dGate, ops.mul(g, d!, activated)], 1)];
    },
  );
  return out;
}
