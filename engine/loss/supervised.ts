import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';

/**
 * Negative log-likelihood: −Σ weight · logprob.
 * @param logprobs [rows]
 * @param weights [rows], already divided by the total weight of the optimiser batch, so that the sum over
 *   micro-batches is the weighted mean over tokens
 */
export function supervisedLoss(g: GraphBuilder, logprobs: Value, weights: Value): Value {
  return ops.neg(g, ops.reduceSum(g, ops.mul(g, logprobs, weights), [0], false));
}
