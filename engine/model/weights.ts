/** Connects the flat parameter vector to graphs: one graph input per `ParameterBlock`, fed by views of the vector. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Tensors } from '../onnx/session.js';
import { tensor } from '../onnx/session.js';
import type { Value } from '../onnx/types.js';
import type { ParameterBlock, ParameterLayout } from './parameters.js';
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
  return viewTensors(layout, layout.blocks, flat, prefix);
}

/** One graph input per parameter instead of per block: training keeps products apart that decoding stacks. */
export interface ParameterInputs {
  embedding: Value;
  layers: {
    attentionNorm: Value;
    q: Value;
    k: Value;
    v: Value;
    o: Value;
    mlpNorm: Value;
    gate: Value;
    up: Value;
    down: Value;
  }[];
  finalNorm: Value;
  head: Value;
  /** In layout order, as `layout.entries`. */
  all: readonly Value[];
}

/** Declares every parameter as an input of `g` under its Hugging Face name. */
export function parameterInputs(g: GraphBuilder, layout: ParameterLayout): ParameterInputs {
  const values = new Map(
    layout.entries.map((entry) => [entry.name, g.input(entry.name, 'float32', entry.shape)]),
  );
  const get = (name: string): Value => {
    const value = values.get(`${name}.weight`);
    if (!value) throw new Error(`parameter layout has no ${name}.weight`);
    return value;
  };
  const embedding = get('model.embed_tokens');
  return {
    embedding,
    head: layout.config.tieEmbeddings ? embedding : get('lm_head'),
    finalNorm: get('model.norm'),
    layers: Array.from({ length: layout.config.layers }, (_, i) => {
      const of = (name: string): Value => get(`model.layers.${i}.${name}`);
      return {
        attentionNorm: of('input_layernorm'),
        q: of('self_attn.q_proj'),
        k: of('self_attn.k_proj'),
        v: of('self_attn.v_proj'),
        o: of('self_attn.o_proj'),
        mlpNorm: of('post_attention_layernorm'),
        gate: of('mlp.gate_proj'),
        up: of('mlp.up_proj'),
        down: of('mlp.down_proj'),
      };
    }),
    all: [...values.values()],
  };
}

/** Feeds (or preallocated outputs) for every parameter, named `prefix` + its name. Views, not copies. */
export function parameterTensors(layout: ParameterLayout, flat: Float32Array, prefix = ''): Tensors {
  return viewTensors(layout, layout.entries, flat, prefix);
}

function viewTensors(
  layout: ParameterLayout,
  parts: readonly ParameterBlock[],
  flat: Float32Array,
  prefix: string,
): Tensors {
  if (flat.length !== layout.size) {
    throw new Error(`parameter vector has ${flat.length} elements, the architecture needs ${layout.size}`);
  }
  return Object.fromEntries(
    parts.map((part) => [prefix + part.name, tensor('float32', view(flat, part), part.shape)]),
  );
}
