/**
 * The trainable parameters of a Llama-family decoder as ONE flat `Float32Array`.
 *
 * Names and shapes are Hugging Face's (`[out, in]` for linear layers):
 *
 *   model.embed_tokens.weight                          [vocab, hidden]
 *   model.layers.N.self_attn.{q,k,v}_proj.weight       [heads·headDim | kvHeads·headDim, hidden]
 *   model.layers.N.self_attn.o_proj.weight             [hidden, heads·headDim]
 *   model.layers.N.mlp.{gate,up}_proj.weight           [intermediate, hidden]
 *   model.layers.N.mlp.down_proj.weight                [hidden, intermediate]
 *   lm_head.weight                                     [vocab, hidden], untied models only
 *   score.weight                                       [1, hidden], reward models only, in place of lm_head
 *   model.layers.N.{input,post_attention}_layernorm.weight, model.norm.weight   [hidden]
 *   model.layers.N.self_attn.{q,k,v,o}_proj.bias       [rows of its weight], models with attention biases only
 *
 * The order is chosen for the graphs: q, k, v (and gate, up) are neighbours, so that one slice of the vector is the
 * stacked weight of one matrix product; all matrices come first and all norms and biases last, so that weight decay
 * acts on a prefix. Graphs take views of the vector as inputs and write gradients into views of a second one: nothing is copied.
 */
import type { Architecture } from '../job.js';
import type { Shape } from '../onnx/types.js';
import { elements } from '../onnx/types.js';

/** An `Architecture` with its vocabulary, which the tokenizer decides. */
export interface DecoderConfig extends Architecture {
  vocabSize: number;
  /** A reward model: a score of the last token (Bradley–Terry) in place of the next token's distribution. */
  scalarHead?: boolean;
}

export interface ParameterEntry {
  name: string;
  shape: Shape;
  /** First element in the flat vector. */
  offset: number;
  size: number;
  /** Whether weight decay acts on it: matrices yes, norms and biases no. */
  decay: boolean;
}

/** Neighbouring entries that graphs read as one matrix (their rows stacked). */
export interface ParameterBlock {
  name: string;
  shape: Shape;
  offset: number;
  size: number;
}

/** A flat vector of named tensors. */
export interface FlatLayout {
  entries: readonly ParameterEntry[];
  /** Length of the flat vector. */
  size: number;
  /** Elements [0, decaySize) have weight decay. */
  decaySize: number;
}

export interface ParameterLayout extends FlatLayout {
  config: DecoderConfig;
  /** What graphs take as inputs, in order; covers the whole vector. */
  blocks: readonly ParameterBlock[];
}

/** The scalar head, as Hugging Face's sequence classifiers call it. */
export const SCORE_WEIGHT = 'score.weight';

/** Width of one attention head. */
export const headDim = (config: Architecture): number => config.headDim ?? config.hiddenSize / config.heads;

/** Where every parameter of a model of this shape lies. @throws on shapes that cannot be a decoder. */
export function parameterLayout(config: DecoderConfig): ParameterLayout {
  checkConfig(config);
  const { hiddenSize: d, intermediateSize: f, vocabSize, layers } = config;
  const q = config.heads * headDim(config);
  const kv = config.kvHeads * headDim(config);
  const entries: ParameterEntry[] = [];
  const blocks: ParameterBlock[] = [];
  let size = 0;
  const block = (name: string, decay: boolean, members: [string, Shape][]): void => {
    const offset = size;
    for (const [member, shape] of members) {
      entries.push({ name: member, shape, offset: size, size: elements(shape), decay });
      size += elements(shape);
    }
    const rows = members.reduce((sum, [, shape]) => sum + shape[0]!, 0);
    blocks.push({ name, shape: [rows, ...members[0]![1].slice(1)], offset, size: size - offset });
  };

  block('embedding', true, [['model.embed_tokens.weight', [vocabSize, d]]]);
  for (let i = 0; i < layers; i += 1) {
    const attention = `model.layers.${i}.self_attn`;
    const mlp = `model.layers.${i}.mlp`;
    block(`layers.${i}.qkv`, true, [
      [`${attention}.q_proj.weight`, [q, d]],
      [`${attention}.k_proj.weight`, [kv, d]],
      [`${attention}.v_proj.weight`, [kv, d]],
    ]);
    block(`layers.${i}.o`, true, [[`${attention}.o_proj.weight`, [d, q]]]);
    block(`layers.${i}.gateUp`, true, [
      [`${mlp}.gate_proj.weight`, [f, d]],
      [`${mlp}.up_proj.weight`, [f, d]],
    ]);
    block(`layers.${i}.down`, true, [[`${mlp}.down_proj.weight`, [d, f]]]);
  }
  if (config.scalarHead) block('score', true, [[SCORE_WEIGHT, [1, d]]]);
  else if (!config.tieEmbeddings) block('head', true, [['lm_head.weight', [vocabSize, d]]]);
  const decaySize = size;
  for (let i = 0; i < layers; i += 1) {
    block(`layers.${i}.attentionNorm`, false, [[`model.layers.${i}.input_layernorm.weight`, [d]]]);
    block(`layers.${i}.mlpNorm`, false, [[`model.layers.${i}.post_attention_layernorm.weight`, [d]]]);
    if (config.attentionBias)
      block(`layers.${i}.qkvBias`, false, [
        [`model.layers.${i}.self_attn.q_proj.bias`, [q]],
        [`model.layers.${i}.self_attn.k_proj.bias`, [kv]],
        [`model.layers.${i}.self_attn.v_proj.bias`, [kv]],
      ]);
    if (config.attentionBias === 'qkvo')
      block(`layers.${i}.oBias`, false, [[`model.layers.${i}.self_attn.o_proj.bias`, [d]]]);
  }
  block('finalNorm', false, [['model.norm.weight', [d]]]);
  return { config, entries, blocks, size, decaySize };
}

function checkConfig(config: DecoderConfig): void {
  const fail = (message: string): never => {
    throw new Error(`architecture: ${message}`);
  };
  if (config.headDim === undefined && config.hiddenSize % config.heads !== 0)
    fail(`hiddenSize ${config.hiddenSize} must be a multiple of heads ${config.heads}`);
  if (config.heads % config.kvHeads !== 0)
    fail(`heads ${config.heads} must be a multiple of kvHeads ${config.kvHeads}`);
  if (headDim(config) % 2 !== 0)
    fail(`hiddenSize / heads must be even for rotary embeddings, not ${headDim(config)}`);
  if (!Number.isInteger(config.vocabSize) || config.vocabSize < 2)
    fail(`vocabSize must be at least 2, not ${config.vocabSize}`);
}

/** The part of `flat` that holds one entry or block; a view, not a copy. */
export function view(flat: Float32Array, part: { offset: number; size: number }): Float32Array {
  return flat.subarray(part.offset, part.offset + part.size);
}
