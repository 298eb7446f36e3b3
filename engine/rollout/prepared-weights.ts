/**
 * Weights as decoding wants them: adapters merged, matrices transposed and cut into the factors of `product`. Made once per call of `Decoder.generate`, because weights change in training.
 */
import { GraphBuilder, ops, type ExternalData, type Tensors, type Value } from '../onnx/index.js';
import { namedView, parameterTensors } from '../model/weights.js';
import {
  headDim,
  type ParameterBlock,
  type ParameterEntry,
  type ParameterLayout,
} from '../model/parameters.js';
import type { TrainedModel } from '../model/trained-model.js';
import { factors, factorShapes, wideEnough, type Cut } from './blocks.js';

/** One layer's prepared weights; lists are factors. */
export interface PreparedLayer {
  attentionNorm: Value;
  qkv: Value[];
  qkvBias: Value | undefined;
  o: Value[];
  oBias: Value | undefined;
  mlpNorm: Value;
  gateUp: Value[];
  down: Value[];
}

export interface PreparedInputs {
  /** [vocab, hidden], as it is. */
  embedding: Value;
  layers: PreparedLayer[];
  finalNorm: Value;
  head: Value[];
}

const headBlock = (layout: ParameterLayout): string => (layout.config.tieEmbeddings ? 'embedding' : 'head');
const isMatrix = (block: ParameterBlock): boolean => block.shape.length === 2;
/** Whether the query rows hold the attention scale: products of one row are fast only without a factor of their own. */
export type QueryForm = 'plain' | 'scaled';

const factorName = (block: string, index: number, queries: QueryForm): string =>
  queries === 'scaled' && (block.endsWith('.qkv') || block.endsWith('.qkvBias'))
    ? `f.${block}.scaled.${index}`
    : `f.${block}.${index}`;

/** Blocks that `product` multiplies by; the embedding only where it is the head too. */
function products(layout: ParameterLayout): ParameterBlock[] {
  return layout.blocks.filter(
    (block) => isMatrix(block) && (block.name !== 'embedding' || headBlock(layout) === 'embedding'),
  );
}

/** Whether whole matrices give prefill, on so many threads, the sums of factors. */
export const mayStayWhole = (layout: ParameterLayout, threads: number): boolean =>
  products(layout).every(({ shape }) => wideEnough(shape[0]!, threads));

/** Names of the factors of every matrix that the decode graph multiplies by, scaled queries among them. */
export function packedFactors(layout: ParameterLayout, cut: Cut): [block: string, names: string[]][] {
  return products(layout).map(({ name, shape }) => [
    name,
    factorShapes(shape, cut).map((_, j) => factorName(name, j, 'scaled')),
  ]);
}

/**
 * Declares the prepared weights as inputs of `g`.
 * @param packed where the matrices lie that are constants instead, whole whatever the cut
 */
export function preparedInputs(
  g: GraphBuilder,
  layout: ParameterLayout,
  queries: QueryForm,
  cut: Cut,
  packed?: ReadonlyMap<string, ExternalData>,
): PreparedInputs {
  const raw = new Map(
    layout.blocks
      .filter((block) => !isMatrix(block) || block.name === 'embedding')
      .filter((block) => !block.name.endsWith('.qkvBias'))
      .map((block) => [block.name, g.input(`w.${block.name}`, 'float32', block.shape)]),
  );
  const lists = new Map(
    products(layout).map((block) => {
      const place = packed?.get(block.name);
      const factors = place
        ? [g.external([block.shape[1]!, block.shape[0]!], place)]
        : factorShapes(block.shape, cut).map((shape, j) =>
            g.input(factorName(block.name, j, queries), 'float32', shape),
          );
      return [block.name, factors];
    }),
  );
  const { attentionBias, layers } = layout.config;
  const biasSize = layout.blocks.find((block) => block.name === 'layers.0.qkvBias')?.shape;
  return {
    embedding: raw.get('embedding')!,
    finalNorm: raw.get('finalNorm')!,
    head: lists.get(headBlock(layout))!,
    layers: Array.from({ length: layers }, (_, i) => ({
      attentionNorm: raw.get(`layers.${i}.attentionNorm`)!,
      mlpNorm: raw.get(`layers.${i}.mlpNorm`)!,
      qkv: lists.get(`layers.${i}.qkv`)!,
      qkvBias: attentionBias && g.input(factorName(`layers.${i}.qkvBias`, 0, queries), 'float32', biasSize!),
      o: lists.get(`layers.${i}.o`)!,
      oBias: raw.get(`layers.${i}.oBias`),
      gateUp: lists.get(`layers.${i}.gateUp`)!,
      down: lists.get(`layers.${i}.down`)!,
    })),
  };
}

/** The weights that decoding takes as they are. */
export function rawTensors(layout: ParameterLayout, flat: Float32Array): Tensors {
  return Object.fromEntries(
    layout.blocks
      .filter((block) => !isMatrix(block) || block.name === 'embedding')
      .filter((block) => !block.name.endsWith('.qkvBias'))
      .map((block) => [`w.${block.name}`, namedView(flat, block)]),
  );
}

/** Weight, and the adapter's A and B by their own names where there is one: inputs of `prepareGraph`. */
export function prepareFeeds(
  { layout, adapter }: TrainedModel,
  flat: Float32Array,
  adapterFlat?: Float32Array,
): Tensors {
  const feeds: Tensors = {};
  for (const block of preparedBlocks(layout))
    for (const entry of membersOf(layout, block)) feeds[entry.name] = namedView(flat, entry);
  if (!adapter) return feeds;
  if (!adapterFlat) throw new Error('the model has adapters, but no vector of theirs was given');
  return { ...feeds, ...parameterTensors(adapter, adapterFlat) };
}

const membersOf = (layout: ParameterLayout, block: ParameterBlock): ParameterEntry[] =>
  layout.entries.filter((entry) => entry.offset >= block.offset && entry.offset < block.offset + block.size);

const preparedBlocks = (layout: ParameterLayout): ParameterBlock[] => [
  ...products(layout),
  ...layout.blocks.filter((block) => block.name.endsWith('.qkvBias')),
];

/** Inputs: see `prepareFeeds`; outputs: all inputs of `preparedInputs` that are not raw. */
export function prepareGraph({ layout, adapter }: TrainedModel, cut: Cut): GraphBuilder {
  const g = new GraphBuilder('prepare');
  const adapted = new Map(adapter?.targets.map((target) => [target.weight.name, target]));
  const load = (entry: ParameterEntry): Value => {
    const weight = g.input(entry.name, 'float32', entry.shape);
    const target = adapted.get(entry.name);
    if (!adapter || !target) return weight;
    const [a, b] = [target.a, target.b].map((part) => g.input(part.name, 'float32', part.shape)) as [
      Value,
      Value,
    ];
    return ops.gemm(g, b, a, { alpha: adapter.scale, bias: weight });
  };
  const stacked = (block: ParameterBlock): Value => {
    const parts = membersOf(layout, block).map(load);
    return parts.length === 1 ? parts[0]! : ops.concat(g, parts, 0);
  };
  const scale = queryScale(g, layout);
  for (const block of preparedBlocks(layout)) {
    const weight = stacked(block);
    for (const form of ['plain', 'scaled'] as const) {
      if (form === 'scaled' && factorName(block.name, 0, form) === factorName(block.name, 0, 'plain'))
        continue;
      const parts = isMatrix(block)
        ? factors(g, weight, cut, form === 'scaled' ? scale : undefined)
        : [form === 'scaled' ? ops.mul(g, weight, ops.reshape(g, scale, [scale.shape[1]!])) : weight];
      parts.forEach((part, j) => g.output(factorName(block.name, j, form), part));
    }
  }
  return g;
}

/** `[1, rows of q, k and v]` the attention scale in the query rows, one elsewhere. */
function queryScale(g: GraphBuilder, { config }: ParameterLayout): Value {
  const d = headDim(config);
  const scale = new Float32Array((config.heads + 2 * config.kvHeads) * d).fill(1);
  scale.fill(1 / Math.sqrt(d), 0, config.heads * d);
  return g.constant('float32', [1, scale.length], scale);
}
