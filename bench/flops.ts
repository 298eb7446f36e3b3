/** Arithmetic that a training step cannot do without, to set its speed against that of matrix products alone. */
import type { DecoderConfig } from '../engine/model/parameters.js';
import { headDim } from '../engine/model/parameters.js';

/** Multiplications and additions (2 for each weight and token) of one token in a sequence of `length`. */
export function trainingFlops(config: DecoderConfig, length: number, adapterParameters?: number): number {
  const { hiddenSize, intermediateSize, layers, vocabSize } = config;
  const q = config.heads * headDim(config);
  const kv = config.kvHeads * headDim(config);
  const layer = hiddenSize * (2 * q + 2 * kv) + 3 * hiddenSize * intermediateSize;
  const weights = layers * layer + vocabSize * hiddenSize;
  // Two products of queries and keys or values forward and four backward, over half the positions on average.
  const attention = layers * 6 * q * length;
  // Frozen weights have no gradient of their own: one product fewer.
  const linear = adapterParameters === undefined ? 6 * weights : 4 * weights + 6 * adapterParameters;
  return linear + attention;
}
