/** The Llama-family decoder: pre-norm blocks of rotary attention and SwiGLU, as one graph over static shapes. */
import { attention, segmentMask } from '../autodiff/attention.js';
import { swiglu } from '../autodiff/swiglu.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';
import type { DecoderConfig } from './parameters.js';
import { headDim } from './parameters.js';
import { rotaryInputs, rotate } from './rotary.js';
import type { ParameterInputs } from './weights.js';

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
  weights: ParameterInputs,
  tokens: Value,
  { length, batch }: SequenceShape,
  segments?: Value,
): Value {
  const { heads, kvHeads, normEpsilon } = config;
  const mask = segments ? segmentMask(g, segments) : undefined;
  const shape = { length, batch, heads, kvHeads, headDim: headDim(config) };
  const rotary = rotaryInputs(g, config, length, batch);
  const linear = (x: Value, weight: Value, bias?: Value): Value =>
    ops.gemm(g, x, weight, bias ? { transB: true, bias } : { transB: true });

  let hidden = ops.gather(g, weights.embedding, tokens);
  for (const layer of weights.layers) {
    const attentionIn = ops.rmsNorm(g, hidden, layer.attentionNorm, normEpsilon).y;
    const q = rotate(g, linear(attentionIn, layer.q), rotary);
    const k = rotate(g, linear(attentionIn, layer.k), rotary);
    const v = linear(attentionIn, layer.v);
    hidden = linear(attention(g, { q, k, v, mask, shape }), layer.o, hidden);
    const mlpIn = ops.rmsNorm(g, hidden, layer.mlpNorm, normEpsilon).y;
    hidden = linear(swiglu(g, linear(mlpIn, layer.gate), linear(mlpIn, layer.up)), layer.down, hidden);
  }
  return ops.rmsNorm(g, hidden, weights.finalNorm, normEpsilon).y;
}
