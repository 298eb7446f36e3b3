/** The GRPO objective of RM-R1: clipped policy gradient plus a KL penalty to the reference model. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';

export interface GrpoSettings {
  /** Ratios beyond 1 ± clip earn nothing further. */
  clip: number;
  /** Weight β of the KL term. */
  klCoefficient: number;
}

/** Log-ratios are cut here before `exp`, and the KL estimate at `KL_LIMIT`, as verl does, so that no token explodes. */
const LOG_RATIO_LIMIT = 20;
const KL_LIMIT = 10;

export interface GrpoInputs {
  /** All [rows]. Log-probabilities under the policy (differentiated), at rollout time, and under the reference. */
  logprobs: Value;
  oldLogprobs: Value;
  refLogprobs: Value;
  /** The advantage of a token's response. */
  advantages: Value;
  /** 1 / (completion tokens of the optimiser batch) on completion tokens, 0 elsewhere. */
  weights: Value;
}

/**
 * Σ weight · [max(−Aρ, −A·clip(ρ, 1−ε, 1+ε)) + β·k3] with ρ = exp(logp − old) and
 * k3 = exp(d) − d − 1, d = ref − logp (Schulman's low-variance estimate).
 * @returns scalars, each weighted the same way: loss, the KL estimate, and the share of tokens where the clipped
 *   term is the larger one
 */
export function grpoLoss(
  g: GraphBuilder,
  inputs: GrpoInputs,
  settings: GrpoSettings,
): { loss: Value; kl: Value; clipShare: Value } {
  const { logprobs, oldLogprobs, refLogprobs, advantages, weights } = inputs;
  const limited = (x: Value): Value => ops.clip(g, x, -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT);
  const weightedSum = (x: Value): Value => ops.reduceSum(g, ops.mul(g, x, weights), [0], false);

  const ratio = ops.exp(g, limited(ops.sub(g, logprobs, oldLogprobs)));
  const against = ops.neg(g, advantages);
  const plain = ops.mul(g, against, ratio);
  const clipped = ops.mul(g, against, ops.clip(g, ratio, 1 - settings.clip, 1 + settings.clip));

  const d = limited(ops.sub(g, refLogprobs, logprobs));
  const k3 = ops.minimum(g, ops.sub(g, ops.sub(g, ops.exp(g, d), d), 1), KL_LIMIT);

  const kl = weightedSum(k3);
  const policy = weightedSum(ops.maximum(g, plain, clipped));
  return {
    loss: ops.add(g, policy, ops.mul(g, kl, settings.klCoefficient)),
    kl,
    clipShare: weightedSum(ops.cast(g, ops.greater(g, clipped, plain), 'float32')),
  };
}
