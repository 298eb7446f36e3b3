/** Rotary position embeddings of Llama (halves rotated against each other), as tables for onnxruntime's operator. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';
import { CONTRIB } from '../onnx/types.js';
import type { DecoderConfig } from './parameters.js';
import { headDim } from './parameters.js';

/** cos and sin of position · theta^(−2i/headDim), row-major [positions, headDim/2]. Computed in double precision. */
export function rotaryTables(
  config: DecoderConfig,
  positions: number,
): { cosine: Float32Array; sine: Float32Array } {
  const half = headDim(config) / 2;
  const cosine = new Float32Array(positions * half);
  const sine = new Float32Array(positions * half);
  for (let position = 0; position < positions; position += 1) {
    for (let i = 0; i < half; i += 1) {
      const angle = position * config.ropeTheta ** (-i / half);
      cosine[position * half + i] = Math.cos(angle);
      sine[position * half + i] = Math.sin(angle);
    }
  }
  return { cosine, sine };
}

/** The operator's constant inputs for time-major rows of one static shape; shared by all layers. */
export interface RotaryInputs {
  /** int64 [length·batch, 1]: the position of every row. */
  positions: Value;
  cosine: Value;
  sine: Value;
}

export function rotaryInputs(
  g: GraphBuilder,
  config: DecoderConfig,
  length: number,
  batch: number,
): RotaryInputs {
  const tables = rotaryTables(config, length);
  const shape = [length, headDim(config) / 2];
  const positions = Array.from({ length: length * batch }, (_, row) => Math.floor(row / batch));
  return {
    positions: g.constant('int64', [length * batch, 1], positions),
    cosine: g.constant('float32', shape, tables.cosine),
    sine: g.constant('float32', shape, tables.sine),
  };
}

/**
 * Rotates every head of time-major rows by the row's position.
 * @param x [length·batch, heads·headDim]
 */
export function rotate(g: GraphBuilder, x: Value, { positions, cosine, sine }: RotaryInputs): Value {
  // Every row is a sequence of one: the operator wants sequences no longer than its tables.
  const rows = ops.unsqueeze(g, x, [1]);
  const out = g.op('RotaryEmbedding', [rows, positions, cosine, sine], {}, { domain: CONTRIB });
  return ops.reshape(g, out, x.shape);
}
