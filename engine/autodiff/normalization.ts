/** Gradient of RMS normalisation. */
import * as ops from '../onnx/ops.js';
import { elements } from '../onnx/types.js';
import type { Rule, Rules } from './rule.js';
import { gradientOf } from './rule.js';

/**
 * y = r·x∘w with r = rsqrt(mean x² + ε), n elements a row. With p = dy∘x:
 * dw = Σ rows r·p,  dx = r·dy∘w − x · (p·w)·r³/n.
 * The sums are matrix products, so that x and dy are passed over as few times as possible.
 */
const rmsNorm: Rule = (c) => {
  const [x, w] = [c.inputs[0]!, c.inputs[1]!];
  const inverseRms = c.outputs[1];
  if (!inverseRms || c.gradients[1]) {
    throw new Error('SimplifiedLayerNormalization: take its second output, for the gradient only');
  }
  const d = gradientOf(c);
  const size = x.shape.at(-1)!;
  const rows = elements(x.shape) / size;
  const product = ops.reshape(c.g, ops.mul(c.g, d, x), [rows, size]);
  const r = ops.reshape(c.g, inverseRms, [rows, 1]);
  const dw = c.needs[1] ? ops.reshape(c.g, ops.gemm(c.g, product, r, { transA: true }), [size]) : null;
  if (!c.needs[0]) return [null, dw];
  // Two equal columns: products with a single one round differently on different numbers of threads.
  const column = ops.reshape(c.g, w, [size, 1]);
  const twice = ops.gemm(c.g, product, ops.concat(c.g, [column, column], 1), { alpha: 1 / size });
  const along = ops.slice(c.g, twice, 1, 0, 1);
  const cube = ops.mul(c.g, ops.mul(c.g, r, r), r);
  const share = ops.reshape(c.g, ops.mul(c.g, along, cube), inverseRms.shape);
  return [ops.sub(c.g, ops.mul(c.g, ops.mul(c.g, d, w), inverseRms), ops.mul(c.g, x, share)), dw];
};

export const normalizationRules: Rules = { SimplifiedLayerNormalization: rmsNorm };
