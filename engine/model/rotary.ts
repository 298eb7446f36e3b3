/** Rotary position embeddings of Llama (halves rotated against each other), as tables for onnxruntime's operator. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';
import { CONTRIB } from '../onnx/types.js';
import type { RopeScaling } from '../job.js';
import type { DecoderConfig } from './parameters.js';
import { headDim } from './parameters.js';

/** `llama3` keeps frequencies that turn often within the original context, divides slow ones, and blends in between. */
function scaled(frequency: number, scaling: RopeScaling | undefined): number {
  if (!scaling) return frequency;
  if (scaling.type === 'linear') return frequency / scaling.factor;
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxLength } = scaling;
  const rotations = (originalMaxLength * frequency) / (2 * Math.PI);
  if (rotations > high) return frequency;
  if (rotations < low) return frequency / factor;
  const smooth = (rotations - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/**
 * Angle per position of each pair of dimensions: theta^(−2i/headDim), scaled as the architecture says. `linear` divides
 * all by the factor (position interpolation, arXiv 2306.15595); `llama3` divides the slow ones only (Llama 3.1).
 */
function rotaryFrequencies(config: DecoderConfig): number[] {
  const half = headDim(config) / 2;
  return Array.from({ length: half }, (_, i) => scaled(config.ropeTheta ** (-i / half), config.ropeScaling));
}

/** cos and sin of position · frequency, row-major [positions, headDim/2]. Computed in double precision. */
export function rotaryTables(
  config: DecoderConfig,
  positions: number,
): { cosine: Float32Array; sine: Float32Array } {
  const frequencies = rotaryFrequencies(config);
  const half = frequencies.length;
  const cosine = new Float32Array(positions * half);
  const sine = new Float32Array(positions * half);
  for (let position = 0; position < positions; position += 1) {
    for (let i = 0; i < half; i += 1) {
      const angle = position * frequencies[i]!;
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

/** Cosines, sines and positions of `batch` sequences of `length` tokens, as constants of `g`. */
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
