/** Connects the flat parameter vector to graphs: one graph input per `ParameterBlock`, fed by views of the vector. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Tensors } from '../onnx/session.js';
import { tensor } from '../onnx/session.js';
import type { Value } from '../onnx/types.js';
import type { ParameterLayout } from './parameters.js';
import { view } from './parameters.js';

export interface LayerWeights {
  /** [hidden] */
  attentionNorm: Value;
  /** Rows of q, k, v stacked: [(heads + 2·kvHeads)·headDim, hidden] */
  qkv: Value;
  /** [hidden, heads·headDim] */
  o: Value;
  /** [hidden] */
  mlpNorm: Value;
  /** Rows of gate, up stacked: [2·intermediate, hidden] */
  gateUp: Value;
  /** [hidden, intermediate] */
  down: Value;
}

export interface DecoderWeights {
  embedding: Value;
  layers: LayerWeights[];
  finalNorm: Value;
  /** Output projection [vocab, hidden]; the embedding itself where tied. */
  head: Value;
  /** Every input by block name, in layout order. */
  byBlock: ReadonlyMap<string, Value>;
}

/** Declares the weights as inputs of `g`, named `prefix` + block name. */
export function weightInputs(g: GraphBuilder, layout: ParameterLayout, prefix = 'w.'): DecoderWeights {
  const byBlock = new Map(
    layout.blocks.map((block) => [block.name, g.input(prefix + block.name, 'float32', block.shape)]),
  );
  const get = (name: string): Value => {
    const value = byBlock.get(name);
    if (!value) throw new Error(`parameter layout has no block ${name}`);
    return value;
  };
  const embedding = get('embedding');
  return {
    embedding,
    head: layout.config.tieEmbeddings ? embedding : get('head'),
    finalNorm: get('finalNorm'),
    layers: Array.from({ length: layout.config.layers }, (_, i) => ({
      attentionNorm: get(`layers.${i}.attentionNorm`),
      qkv: get(`layers.${i}.qkv`),
      o: get(`layers.${i}.o`),
      mlpNorm: get(`layers.${i}.mlpNorm`),
      gateUp: get(`layers.${i}.gateUp`),
      down: get(`layers.${i}.down`),
    })),
    byBlock,
  };
}

/** Feeds (or preallocated outputs) for every block of `flat`, named `prefix` + block name. Views, not copies. */
export function blockTensors(layout: ParameterLayout, flat: Float32Array, prefix = 'w.'): Tensors {
  if (flat.length !== layout.size) {
    throw new Error(`parameter vector has ${flat.length} elements, the architecture needs ${layout.size}`);
  }
  return Object.fromEntries(
    layout.blocks.map((block) => [prefix + block.name, tensor('float32', view(flat, block), block.shape)]),
  );
}
