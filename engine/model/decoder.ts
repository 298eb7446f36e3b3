/** The Llama-family decoder: pre-norm blocks of rotary attention and SwiGLU, as one graph over static shapes. */
import { attention, segmentMask } from '../autodiff/attention.js';
import { recomputed } from '../autodiff/recompute.js';
import { swiglu } from '../autodiff/swiglu.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';
import { headDim } from './parameters.js';
import { rotaryInputs, rotate, type RotaryInputs } from './rotary.js';
import type { TrainedModel } from './trained-model.js';
import type { LayerInputs, LinearInputs, ParameterInputs } from './weights.js';

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
  { layout: { config }, recompute }: TrainedModel,
  weights: ParameterInputs,
  tokens: Value,
  { length, batch }: SequenceShape,
  segments?: Value,
): Value {
  const { heads, kvHeads, normEpsilon } = config;
  const mask = segments ? segmentMask(g, segments) : undefined;
  const rotary = rotaryInputs(g, config, length, batch);
  const shape = { length, batch, heads, kvHeads, headDim: headDim(config) };
  const compute = (x: Value, layer: LayerInputs): Value =>
    decoderLayer(g, x, layer, { mask, rotary, shape, normEpsilon });

  let hidden = ops.gather(g, weights.embedding, tokens);
  for (const layer of weights.layers) {
    hidden = recompute
      ? recomputed(g, hidden, layerValues(layer), (x) => compute(x, layer))
      : compute(hidden, layer);
  }
  return ops.rmsNorm(g, hidden, weights.finalNorm, normEpsilon).y;
}

interface LayerContext {
  mask: Value | undefined;
  rotary: RotaryInputs;
  shape: { length: number; batch: number; heads: number; kvHeads: number; headDim: number };
  normEpsilon: number;
}

function decoderLayer(
  g: GraphBuilder,
  hidden: Value,
  layer: LayerInputs,
  { mask, rotary, shape, normEpsilon }: LayerContext,
): Value {
  const attentionIn = ops.rmsNorm(g, hidden, layer.attentionNorm, normEpsilon).y;
  const q = rotate(g, linear(g, attentionIn, layer.q), rotary);
  const k = rotate(g, linear(g, attentionIn, layer.k), rotary);
  const v = linear(g, attentionIn, layer.v);
  const middle = linear(g, attention(g, { q, k, v, mask, shape }), layer.o, hidden);
  const mlpIn = ops.rmsNorm(g, middle, layer.mlpNorm, normEpsilon).y;
  return linear(g, swiglu(g, linear(g, mlpIn, layer.gate), linear(g, mlpIn, layer.up)), layer.down, middle);
}

/** x·Wᵀ + bias + scale·(x·Aᵀ)·Bᵀ + residual, with the parts that there are. */
function linear(g: GraphBuilder, x: Value, { weight, bias, adapter }: LinearInputs, residual?: Value): Value {
  const added = residual ?? bias;
  let y = ops.gemm(g, x, weight, added ? { transB: true, bias: added } : { transB: true });
  if (residual && bias) y = ops.add(g, y, bias);
  if (!adapter) return y;
  const low = ops.gemm(g, x, adapter.a, { transB: true });
  return ops.gemm(g, low, adapter.b, { transB: true, alpha: adapter.scale, bias: y });
}

/** All parameters of a layer. */
function layerValues(layer: LayerInputs): Value[] {
  return Object.values(layer).flatMap((part: Value | LinearInputs) =>
    'weight' in part
      ? [part.weight, part.bias, part.adapter?.a, part.adapter?.b].filter((value) => value !== undefined)
      : [part],
  );
}
