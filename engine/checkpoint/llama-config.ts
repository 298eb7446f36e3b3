/** `config.json` of a Hugging Face Llama or Qwen2 directory, to and from the engine's architecture. */
import { z } from 'zod';
import { architectureSchema, type Architecture, type RopeScaling } from '../job.js';
import { badData } from '../errors.js';
import { headDim } from '../model/parameters.js';
import { parseFile } from './parse-file.js';

/** What the engine needs to know of a model besides its weights. */
export interface ModelShape {
  architecture: Architecture;
  vocabSize: number;
  /** A reward model: a sequence classifier with one label. */
  scalarHead?: boolean;
}

const ropeSchema = z
  .looseObject({
    rope_type: z.string().optional(),
    type: z.string().optional(),
    rope_theta: z.number().optional(),
    factor: z.number().positive().optional(),
    low_freq_factor: z.number().positive().optional(),
    high_freq_factor: z.number().positive().optional(),
    original_max_position_embeddings: z.int().positive().optional(),
  })
  .nullish();

const configSchema = z.looseObject({
  architectures: z.array(z.string()).optional(),
  model_type: z.string().optional(),
  hidden_size: z.int().positive(),
  num_hidden_layers: z.int().positive(),
  num_attention_heads: z.int().positive(),
  num_key_value_heads: z.int().positive().optional(),
  head_dim: z.int().positive().nullish(),
  intermediate_size: z.int().positive(),
  max_position_embeddings: z.int().positive(),
  vocab_size: z.int().positive(),
  rope_theta: z.number().positive().optional(),
  rope_scaling: ropeSchema,
  rope_parameters: ropeSchema,
  rms_norm_eps: z.number().positive().optional(),
  tie_word_embeddings: z.boolean().optional(),
  hidden_act: z.string().optional(),
  attention_bias: z.boolean().optional(),
  use_sliding_window: z.boolean().optional(),
  mlp_bias: z.boolean().optional(),
  num_labels: z.int().optional(),
  id2label: z.record(z.string(), z.string()).optional(),
});

/**
 * Read the text of `config.json`.
 * @throws EngineError (bad data) naming the field when the model is not a Llama-family decoder the engine can run.
 */
export function parseLlamaConfig(text: string, path: string): ModelShape {
  const config = parseFile(configSchema, text, path);
  const refuse = (field: string, found: unknown, needed: string): never => {
    throw badData(
      `${path}: ${field} is ${JSON.stringify(found)}; the embedded engine runs Llama and Qwen2 models with ${needed}`,
    );
  };
  const kind = config.architectures?.[0] ?? config.model_type;
  const family = kind === undefined ? undefined : FAMILIES[kind];
  if (!family) return refuse('architectures', kind, 'LlamaForCausalLM or Qwen2ForCausalLM');
  if (config.hidden_act !== undefined && config.hidden_act !== 'silu')
    refuse('hidden_act', config.hidden_act, '"silu"');
  if (config.mlp_bias) refuse('mlp_bias', true, 'no bias there');
  if (config.use_sliding_window) refuse('use_sliding_window', true, 'full attention');
  const ropeScaling = parseRopeScaling(config.rope_scaling ?? config.rope_parameters, config, refuse);
  const attentionBias = family === 'qwen2' ? 'qkv' : config.attention_bias ? 'qkvo' : undefined;
  const heads = config.num_attention_heads;
  const kvHeads = config.num_key_value_heads ?? heads;
  if (config.head_dim == null && config.hidden_size % heads !== 0)
    refuse('num_attention_heads', heads, 'a divisor of hidden_size');
  if (heads % kvHeads !== 0) refuse('num_key_value_heads', kvHeads, 'a divisor of num_attention_heads');
  const ownHeadDim = config.head_dim != null && config.head_dim !== config.hidden_size / heads;
  if (ownHeadDim && config.head_dim! % 2 !== 0) refuse('head_dim', config.head_dim, 'an even one');
  const scalarHead = kind?.endsWith(CLASSIFIER) === true;
  const labels = config.num_labels ?? Object.keys(config.id2label ?? {}).length;
  if (scalarHead && labels !== 1) refuse('id2label', labels, 'one label where they score');
  return {
    ...(scalarHead ? { scalarHead } : {}),
    vocabSize: config.vocab_size,
    architecture: architectureSchema.parse({
      hiddenSize: config.hidden_size,
      layers: config.num_hidden_layers,
      heads,
      kvHeads,
      intermediateSize: config.intermediate_size,
      maxLength: config.max_position_embeddings,
      ropeTheta: config.rope_theta ?? config.rope_parameters?.rope_theta ?? 10_000,
      normEpsilon: config.rms_norm_eps ?? 1e-6,
      tieEmbeddings: config.tie_word_embeddings ?? false,
      ...(ownHeadDim ? { headDim: config.head_dim } : {}),
      ...(attentionBias ? { attentionBias } : {}),
      ...(ropeScaling ? { ropeScaling } : {}),
    }),
  };
}

/** What `architectures` and `model_type` call the families that the engine runs; SmolLM2 is a Llama. */
const CLASSIFIER = 'ForSequenceClassification';
const FAMILIES: Partial<Record<string, 'llama' | 'qwen2'>> = {
  LlamaForCausalLM: 'llama',
  llama: 'llama',
  Qwen2ForCausalLM: 'qwen2',
  qwen2: 'qwen2',
  LlamaForSequenceClassification: 'llama',
  Qwen2ForSequenceClassification: 'qwen2',
};

function parseRopeScaling(
  scaling: z.infer<typeof ropeSchema>,
  config: { max_position_embeddings: number },
  refuse: (field: string, found: unknown, needed: string) => never,
): RopeScaling | undefined {
  const type = scaling?.rope_type ?? scaling?.type ?? 'default';
  if (!scaling || type === 'default') return undefined;
  const factor = scaling.factor ?? refuse('rope_scaling.factor', null, 'a factor');
  if (type === 'linear') return { type, factor };
  if (type !== 'llama3')
    return refuse('rope_scaling', type, 'rotary embeddings scaled not at all, linearly or as llama3');
  return {
    type,
    factor,
    lowFrequencyFactor: scaling.low_freq_factor ?? 1,
    highFrequencyFactor: scaling.high_freq_factor ?? 4,
    originalMaxLength: scaling.original_max_position_embeddings ?? config.max_position_embeddings,
  };
}

function formatRopeScaling(scaling: RopeScaling | undefined): object | null {
  if (!scaling) return null;
  if (scaling.type === 'linear') return { rope_type: 'linear', factor: scaling.factor };
  return {
    rope_type: 'llama3',
    factor: scaling.factor,
    low_freq_factor: scaling.lowFrequencyFactor,
    high_freq_factor: scaling.highFrequencyFactor,
    original_max_position_embeddings: scaling.originalMaxLength,
  };
}

/** The text of `config.json` for a model of this shape. */
export function formatLlamaConfig(
  { architecture, vocabSize, scalarHead }: ModelShape,
  tokens: { bos: number | undefined; eos: number; pad: number | undefined },
): string {
  const qwen2 = architecture.attentionBias === 'qkv';
  const config = {
    architectures: [`${qwen2 ? 'Qwen2' : 'Llama'}${scalarHead ? CLASSIFIER : 'ForCausalLM'}`],
    model_type: qwen2 ? 'qwen2' : 'llama',
    hidden_size: architecture.hiddenSize,
    num_hidden_layers: architecture.layers,
    num_attention_heads: architecture.heads,
    num_key_value_heads: architecture.kvHeads,
    head_dim: headDim(architecture),
    intermediate_size: architecture.intermediateSize,
    max_position_embeddings: architecture.maxLength,
    vocab_size: vocabSize,
    rope_theta: architecture.ropeTheta,
    rope_scaling: formatRopeScaling(architecture.ropeScaling),
    rms_norm_eps: architecture.normEpsilon,
    tie_word_embeddings: architecture.tieEmbeddings,
    hidden_act: 'silu',
    ...(qwen2 ? { use_sliding_window: false } : { attention_bias: architecture.attentionBias === 'qkvo' }),
    attention_dropout: 0,
    mlp_bias: false,
    initializer_range: 0.02,
    use_cache: true,
    bos_token_id: tokens.bos ?? null,
    eos_token_id: tokens.eos,
    pad_token_id: tokens.pad ?? null,
    ...(scalarHead ? { id2label: { 0: 'LABEL_0' }, label2id: { LABEL_0: 0 } } : {}),
    torch_dtype: 'float32',
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
