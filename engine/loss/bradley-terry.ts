/** The reward-model objective: the preferred answer shall score higher (Bradley & Terry 1952). */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';

/**
 * Scores of single positions: hidden[at] · w.
 * @param hidden [rows, size]
 * @param at int64 [n]
 * @param head [1, size]
 * @returns [n]
 */
export function scoresAt(g: GraphBuilder, hidden: Value, at: Value, head: Value): Value {
  return ops.reduceSum(g, ops.mul(g, ops.gather(g, hidden, at), head), [1], false);
}

/**
 * Σ weight · −log σ(r_chosen − r_rejected), the negative log-likelihood of the preferences (InstructGPT, arXiv
 * 2203.02155, eq. 1). −log σ(m) is computed as softplus(−m), which stays finite whatever the margin.
 * @param margins [pairs], r_chosen − r_rejected
 * @param weights [pairs], 1 / pairs of the optimiser batch; 0 for places that only fill up
 */
export function bradleyTerryLoss(g: GraphBuilder, margins: Value, weights: Value): Value {
  return ops.reduceSum(g, ops.mul(g, ops.softplus(g, ops.neg(g, margins)), weights), [0], false);
}
