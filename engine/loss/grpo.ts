/** The GRPO objective of RM-R1: clipped policy gradient plus a KL penalty to the reference model. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';

export interface GrpoSettings {
  /** Ratios below 1 − clip or above 1 + clipHigh earn nothing further. */
  clip: number;
  /** Default: as `clip`; DAPO (arXiv 2503.14476) takes 0.28 with 0.2. */
  clipHigh?: number | undefined;
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

const limited = (g: GraphBuilder, x: Value): Value => ops.clip(g, x, -LOG_RATIO_LIMIT, LOG_RATIO_LIMIT);

const clipRatio = (g: GraphBuilder, ratio: Value, { clip, clipHigh }: GrpoSettings): Value =>
  ops.clip(g, ratio, 1 - clip, 1 + (clipHigh ?? clip));

/** k3 = exp(d) − d − 1 with d = ref − logp, cut at `KL_LIMIT`. */
function k3Of(g: GraphBuilder, refLogprobs: Value, logprobs: Value): Value {
  const d = limited(g, ops.sub(g, refLogprobs, logprobs));
  return ops.minimum(g, ops.sub(g, ops.sub(g, ops.exp(g, d), d), 1), KL_LIMIT);
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
  const weightedSum = (x: Value): Value => ops.reduceSum(g, ops.mul(g, x, weights), [0], false);

  const ratio = ops.exp(g, limited(g, ops.sub(g, logprobs, oldLogprobs)));
  const against = ops.neg(g, advantages);
  const plain = ops.mul(g, against, ratio);
  const clipped = ops.mul(g, against, clipRatio(g, ratio, settings));

  const kl = weightedSum(k3Of(g, refLogprobs, logprobs));
  const policy = weightedSum(ops.maximum(g, plain, clipped));
  return {
    loss: ops.add(g, policy, ops.mul(g, kl, settings.klCoefficient)),
    kl,
    clipShare: weightedSum(ops.cast(g, ops.greater(g, clipped, plain), 'float32')),
  };
}

export interface SequenceInputs {
  /** `[sequences, rows]` 1 / length of a completion on its tokens, 0 elsewhere. */
  members: Value;
  /** [sequences] */
  advantages: Value;
  /** `[sequences]` 1 / (completions of the optimiser batch); 0 for sequences that only fill up. */
  weights: Value;
}

/**
 * GSPO (arXiv 2507.18071): one ratio per completion, s = exp(mean over its tokens of logp − old), and
 * Σ weight · max(−As, −A·clip(s, 1−ε, 1+ε)); the KL term is that of `grpoLoss`.
 * @returns as `grpoLoss`; `clipShare` is that of completions
 */
export function gspoLoss(
  g: GraphBuilder,
  tokens: Omit<GrpoInputs, 'advantages'>,
  { members, advantages, weights }: SequenceInputs,
  settings: GrpoSettings,
): { loss: Value; kl: Value; clipShare: Value } {
  const { logprobs, oldLogprobs, refLogprobs } = tokens;
  const weightedSum = (x: Value, by: Value): Value => ops.reduceSum(g, ops.mul(g, x, by), [0], false);
  const difference = limited(g, ops.sub(g, logprobs, oldLogprobs));
  const ratio = ops.exp(g, ops.reduceSum(g, ops.mul(g, members, difference), [1], false));
  const against = ops.neg(g, advantages);
  const plain = ops.mul(g, against, ratio);
  const clipped = ops.mul(g, against, clipRatio(g, ratio, settings));
  const kl = weightedSum(k3Of(g, refLogprobs, logprobs), tokens.weights);
  return {
    loss: ops.add(
      g,
      weightedSum(ops.maximum(g, plain, clipped), weights),
      ops.mul(g, kl, settings.klCoefficient),
    ),
    kl,
    clipShare: weightedSum(ops.cast(g, ops.greater(g, clipped, plain), 'float32'), weights),
  };
}
