/** Gradient of RMS normalisation. */
import * as ops from '../onnx/ops.js';
import type { Rule, Rules } from './rule.js';
import { gradientOf } from './rule.js';

/**
 * y = x̂ ∘ w with x̂ = r·x and r = rsqrt(mean x² + ε):
 * dw = Σ rows dy∘x̂,  dx = r·(dy∘w − x̂ · mean(dy∘w∘x̂)).
 */
const rmsNorm: Rule = (c) => {
  const [x, w] = [c.inputs[0]!, c.inputs[1]!];
  const inverseRms = c.outputs[1];
  if (!inverseRms || c.gradients[1])
    throw new Error('SimplifiedLayerNormalization: take its second output, for the gradient only');
  const d = gradientOf(c);
  const rank = x.shape.length;
  const size = x.shape.at(-1)!;
  const unit = ops.mul(c.g, x, inverseRms);
  const product = ops.mul(c.g, d, unit);
  const dw = c.needs[1]
    ? ops.reduceSum(
        c.g,
        product,
        Array.from({ length: rank - 1 }, (_, i) => i),
        false,
      )
    : null;
  if (!c.needs[0]) return [null, dw];
  // mean(dy∘w∘x̂) as a product with the vector w: one pass instead of two.
  const mean = ops.fusedMatMul(c.g, product, ops.reshape(c.g, w, [size, 1]), { alpha: 1 / size });
  const centred = ops.sub(c.g, ops.mul(c.g, d, w), ops.mul(c.g, unit, mean));
  return [ops.mul(c.g, centred, inverseRms), dw];
};

export const normalizationRules: Rules = { SimplifiedLayerNormalization: rmsNorm };
