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

/**
 * Rotates queries and keys of time-major rows by their position and leaves values alone, in one operator: values
 * are rotated by a table row of their own whose angle is zero.
 * @param qkv [length·batch, (heads + 2·kvHeads)·headDim]
 */
export function rotate(
  g: GraphBuilder,
  qkv: Value,
  config: DecoderConfig,
  length: number,
  batch: number,
): Value {
  const dim = headDim(config);
  const rotated = config.heads + config.kvHeads;
  const all = rotated + config.kvHeads;
  const tables = rotaryTables(config, length);
  const table = (data: Float32Array, rest: number): Value => {
    const extended = new Float32Array(data.length + dim / 2).fill(rest);
    extended.set(data);
    return g.constant('float32', [length + 1, dim / 2], extended);
  };
  const positions = new BigInt64Array(length * batch * all);
  for (let i = 0; i < positions.length; i += 1) {
    const position = i % all < rotated ? Math.floor(i / (batch * all)) : length;
    positions[i] = BigInt(position);
  }
  const perHead = ops.reshape(g, qkv, [length * batch, all, dim]);
  const out = g.op(
    'RotaryEmbedding',
    [
      perHead,
      g.constant('int64', [length * batch, all], positions),
      table(tables.cosine, 1),
      table(tables.sine, 0),
    ],
    {},
    { domain: CONTRIB },
  );
  return ops.reshape(g, out, qkv.shape);
}
