/** Activation checkpointing: keep a step's input only, and compute the step again when its gradient is needed. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';
import { pullBack } from './gradients.js';

/**
 * `compute(x)`, whose gradient is found by computing it once more (Chen et al. 2016, arXiv 1604.06174).
 * @param x [rows, size], the step's input
 * @param parameters what else the step reads and may need a gradient
 * @param compute adds the step to the graph; called twice, so it must not keep values between calls
 */
export function recomputed(
  g: GraphBuilder,
  x: Value,
  parameters: readonly Value[],
  compute: (x: Value) => Value,
): Value {
  const inputs = [x, ...parameters];
  const [out] = g.composite(
    inputs,
    () => [compute(x)] as [Value],
    ([d], needs) => {
      // Without this dependence on the incoming gradient onnxruntime would merge the second computation with the first.
      const corner = ops.slice(g, ops.slice(g, d!, 0, 0, 1), 1, 0, 1);
      const again = ops.add(g, x, ops.mul(g, corner, 0));
      const from = g.tape.length;
      const output = compute(again);
      const segment = g.tape.slice(from);
      const wanted = inputs.flatMap((value, i) => (needs[i] ? [i === 0 ? again : value] : []));
      const found = pullBack(g, segment, output, d!, wanted);
      let next = 0;
      return inputs.map((_, i) => (needs[i] ? found[next++]! : null));
    },
  );
  return out;
}
