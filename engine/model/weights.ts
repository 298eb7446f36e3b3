/** Connects flat parameter vectors to graphs: graph inputs, fed by views of the vectors. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Tensors } from '../onnx/session.js';
import { tensor } from '../onnx/session.js';
import type { Value } from '../onnx/types.js';
import type { FlatLayout, ParameterBlock, ParameterEntry } from './parameters.js';
import type { TrainedModel } from './trained-model.js';
import { view } from './parameters.js';

/** One part of a flat vector as a tensor: a view, not a copy. */
export function namedView(flat: Float32Array, part: ParameterBlock): Tensors[string] {
  return tensor('float32', view(flat, part), part.shape);
}

/** A projection y = x·Wᵀ + bias, and its low-rank adapter where it has one. */
export interface LinearInputs {
  weight: Value;
  bias: Value | undefined;
  /** Adds scale · (x·Aᵀ)·Bᵀ. */
  adapter: { a: Value; b: Value; scale: number } | undefined;
}

export interface LayerInputs {
  attentionNorm: Value;
  q: LinearInputs;
  k: LinearInputs;
  v: LinearInputs;
  o: LinearInputs;
  mlpNorm: Value;
  gate: LinearInputs;
  up: LinearInputs;
  down: LinearInputs;
}

/** One graph input per parameter instead of per block: training keeps products apart that decoding stacks. */
export interface ParameterInputs {
  embedding: Value;
  layers: LayerInputs[];
  finalNorm: Value;
  /** Absent in reward models. */
  head: Value | undefined;
  /** [1, hidden]; present in reward models only. */
  score: Value | undefined;
  /** What is trained, in the order of its flat vector: the adapter's matrices where there is one, else everything. */
  trained: readonly Value[];
}

/** Declares every parameter, and those of the adapter, as an input of `g` under its Hugging Face name. */
export function parameterInputs(g: GraphBuilder, model: TrainedModel): ParameterInputs {
  return parametersFrom(model, ({ name, shape }) => g.input(name, 'float32', shape));
}

/** The parameters of a model, each from `valueOf`: those of the decoder in layout order, then those of the adapter. */
export function parametersFrom(
  { layout, adapter }: TrainedModel,
  valueOf: (entry: ParameterEntry) => Value,
): ParameterInputs {
  const declare = (entry: ParameterEntry): [string, Value] => [entry.name, valueOf(entry)];
  const values = new Map(layout.entries.map(declare));
  const adapterValues = new Map((adapter?.entries ?? []).map(declare));
  const adapterOf = new Map(
    adapter?.targets.map(({ weight, a, b }) => [
      weight.name,
      { a: adapterValues.get(a.name)!, b: adapterValues.get(b.name)!, scale: adapter.scale },
    ]),
  );
  const get = (name: string): Value => {
    const value = values.get(`${name}.weight`);
    if (!value) throw new Error(`parameter layout has no ${name}.weight`);
    return value;
  };
  const linear = (name: string): LinearInputs => ({
    weight: get(name),
    bias: values.get(`${name}.bias`),
    adapter: adapterOf.get(`${name}.weight`),
  });
  const embedding = get('model.embed_tokens');
  const { scalarHead, tieEmbeddings } = layout.config;
  return {
    embedding,
    head: scalarHead ? undefined : tieEmbeddings ? embedding : get('lm_head'),
    score: scalarHead ? (adapterValues.get(adapter?.score?.name ?? '') ?? get('score')) : undefined,
    finalNorm: get('model.norm'),
    layers: Array.from({ length: layout.config.layers }, (_, i) => {
      const of = (name: string): string => `model.layers.${i}.${name}`;
      return {
        attentionNorm: get(of('input_layernorm')),
        q: linear(of('self_attn.q_proj')),
        k: linear(of('self_attn.k_proj')),
        v: linear(of('self_attn.v_proj')),
        o: linear(of('self_attn.o_proj')),
        mlpNorm: get(of('post_attention_layernorm')),
        gate: linear(of('mlp.gate_proj')),
        up: linear(of('mlp.up_proj')),
        down: linear(of('mlp.down_proj')),
      };
    }),
    trained: [...(adapter ? adapterValues : values).values()],
  };
}

/** Feeds (or preallocated outputs) for every parameter, named `prefix` + its name. Views, not copies. */
export function parameterTensors(layout: FlatLayout, flat: Float32Array, prefix = ''): Tensors {
  return viewTensors(layout, layout.entries, flat, prefix);
}

function viewTensors(
  layout: FlatLayout,
  parts: readonly ParameterBlock[],
  flat: Float32Array,
  prefix: string,
): Tensors {
  if (flat.length !== layout.size) {
    throw new Error(`parameter vector has ${flat.length} elements, the architecture needs ${layout.size}`);
  }
  return Object.fromEntries(parts.map((part) => [prefix + part.name, namedView(flat, part)]));
}
