/** The Llama-family decoder: pre-norm blocks of rotary attention and SwiGLU, as one graph over static shapes. */
import { attention, causalMask, segmentMask } from '../autodiff/attention.js';
import { swiglu } from '../autodiff/swiglu.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';
import type { DecoderConfig } from './parameters.js';
import { headDim } from './parameters.js';
import { rotate } from './rotary.js';
import type { DecoderWeights } from './weights.js';

export interface SequenceShape {
  /** Tokens per sequence and number of sequences. Rows are time-major: row t·batch + b is token t of sequence b. */
  length: number;
  batch: number;
}

/**
 * Final hidden states (after the last norm) of whole sequences.
 * @param tokens int64 [length·batch], time-major
 * @param segments float32 [batch, length] for packed rows; without it every row is one right-padded sequence
 * @returns [length·batch, hidden]
 */
export function decoderHidden(
  g: GraphBuilder,
  config: DecoderConfig,
  weights: DecoderWeights,
  tokens: Value,
  { length, batch }: SequenceShape,
  segments?: Value,
): Value {
  const { heads, kvHeads, normEpsilon } = config;
  const mask = segments ? segmentMask(g, segments) : causalMask(g, length);
  const shape = { length, batch, heads, kvHeads, headDim: headDim(config) };
  let hidden = ops.gather(g, weights.embedding, tokens);
  for (const layer of weights.layers) {
    const attentionIn = ops.rmsNorm(g, hidden, layer.attentionNorm, normEpsilon).y;
    const qkv = rotate(g, ops.gemm(g, attentionIn, layer.qkv, { transB: true }), config, length, batch);
    hidden = ops.gemm(g, attention(g, qkv, mask, shape), layer.o, { transB: true, bias: hidden });
    const mlpIn = ops.rmsNorm(g, hidden, layer.mlpNorm, normEpsilon).y;
    const activated = swiglu(g, ops.gemm(g, mlpIn, layer.gateUp, { transB: true }));
    hidden = ops.gemm(g, activated, layer.down, { transB: true, bias: hidden });
  }
  return ops.rmsNorm(g, hidden, weights.finalNorm, normEpsilon).y;
}
