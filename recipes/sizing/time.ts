/** Operations and GPU time of training and of rollouts. Seconds are of all GPUs added up, unless a name says otherwise. */
import { ASSUMED_SHARES, H100, type Cluster } from './accelerator.js';
import {
  cacheBytesPerToken,
  multipliedParameters,
  parameterCount,
  type DecoderShape,
} from './decoder-shape.js';

/**
 * Floating-point operations of a forward pass over `tokens` in sequences of `length`: 2·N a token for the weights
 * (Kaplan et al. 2020, section 2.1) and 4·L·heads·headSize·length for the attention (PaLM, Chowdhery et al. 2022,
 * appendix B). The causal mask is not taken off.
 */
export function forwardFlops(model: DecoderShape, tokens: number, length: number): number {
  const attention = 4 * model.layers * model.heads * model.headSize * length;
  return tokens * (2 * multipliedParameters(model) + attention);
}

/** Forward and backward cost three forward passes (6·N·D); recomputing the layers costs a fourth. */
export function trainingFlops(model: DecoderShape, tokens: number, length: number): number {
  return 4 * forwardFlops(model, tokens, length);
}

/** GPU seconds of training on `tokens`. */
export function trainingSeconds(model: DecoderShape, tokens: number, length: number): number {
  return trainingFlops(model, tokens, length) / (H100.flopsPerSecond * ASSUMED_SHARES.training);
}

/** GPU seconds of forward passes: prompts, log-probabilities of policy and reference. */
export function forwardSeconds(model: DecoderShape, tokens: number, length: number): number {
  return forwardFlops(model, tokens, length) / (H100.flopsPerSecond * ASSUMED_SHARES.prefill);
}

/**
 * GPU seconds of decoding `tokens`, `sequences` at a time in each rollout engine: every step reads the weights once and
 * the keys and values of each sequence, and memory is what bounds it (Pope et al. 2022, section 2.1).
 * @param length Tokens in the cache of a sequence, on average.
 */
export function decodingSeconds(
  model: DecoderShape,
  { tensorParallel }: Pick<Cluster, 'tensorParallel'>,
  { tokens, sequences, length }: { tokens: number; sequences: number; length: number },
): number {
  const weights = 2 * parameterCount(model);
  const cache = sequences * length * cacheBytesPerToken(model);
  const bandwidth = tensorParallel * H100.bytesPerSecond * ASSUMED_SHARES.decoding;
  const stepSeconds = (weights + cache) / bandwidth;
  const computeSeconds =
    forwardFlops(model, sequences, length) / (tensorParallel * H100.flopsPerSecond * ASSUMED_SHARES.prefill);
  return (tokens / sequences) * Math.max(stepSeconds, computeSeconds) * tensorParallel;
}
