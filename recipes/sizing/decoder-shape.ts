/** Sizes of the decoders that recipes name: what memory and time follow from. Pure. */

/** Dimensions of a Llama-family decoder as its `config.json` has them. */
export interface DecoderShape {
  hiddenSize: number;
  layers: number;
  heads: number;
  kvHeads: number;
  headSize: number;
  intermediateSize: number;
  /** Rows of the embedding, padding included. */
  vocabulary: number;
  tiedEmbeddings: boolean;
  /** Biases of the query, key and value projections (Qwen2). */
  attentionBias: boolean;
  /** `max_position_embeddings`. */
  longest: number;
}

const QWEN_7B: DecoderShape = {
  hiddenSize: 3584,
  layers: 28,
  heads: 28,
  kvHeads: 4,
  headSize: 128,
  intermediateSize: 18_944,
  vocabulary: 152_064,
  tiedEmbeddings: false,
  attentionBias: true,
  longest: 32_768,
};
const QWEN_14B: DecoderShape = {
  ...QWEN_7B,
  hiddenSize: 5120,
  layers: 48,
  heads: 40,
  kvHeads: 8,
  intermediateSize: 13_824,
};
const QWEN_32B: DecoderShape = { ...QWEN_14B, layers: 64, intermediateSize: 27_648 };
/** `max_position_embeddings` of the DeepSeek distillations. */
const LONG = { longest: 131_072 };

/** From the `config.json` of each model. */
const KNOWN: Record<string, DecoderShape> = {
  'Qwen/Qwen2.5-7B-Instruct': QWEN_7B,
  'Qwen/Qwen2.5-14B-Instruct': QWEN_14B,
  'Qwen/Qwen2.5-32B-Instruct': QWEN_32B,
  'deepseek-ai/DeepSeek-R1-Distill-Qwen-7B': { ...QWEN_7B, ...LONG },
  'deepseek-ai/DeepSeek-R1-Distill-Qwen-14B': { ...QWEN_14B, ...LONG },
  'deepseek-ai/DeepSeek-R1-Distill-Qwen-32B': { ...QWEN_32B, ...LONG },
};

/** The shape of a model on the hub, where it is known without asking the hub. */
export function knownShape(hub: string): DecoderShape | undefined {
  return Object.hasOwn(KNOWN, hub) ? KNOWN[hub] : undefined;
}

/** Parameters of one layer. */
export function layerParameters(shape: DecoderShape): number {
  const { hiddenSize: h, heads, kvHeads, headSize, intermediateSize, attentionBias } = shape;
  const queries = heads * headSize;
  const keys = kvHeads * headSize;
  const attention = 2 * h * queries + 2 * h * keys + (attentionBias ? queries + 2 * keys : 0);
  return attention + 3 * h * intermediateSize + 2 * h;
}

/** All parameters, embeddings included. */
export function parameterCount(shape: DecoderShape): number {
  const { hiddenSize, layers, vocabulary, tiedEmbeddings } = shape;
  const embeddings = (tiedEmbeddings ? 1 : 2) * vocabulary * hiddenSize;
  return embeddings + layers * layerParameters(shape) + hiddenSize;
}

/** Parameters that take part in a matrix product for every token: all but the embedding that is only looked up. */
export function multipliedParameters(shape: DecoderShape): number {
  const { hiddenSize, vocabulary, tiedEmbeddings } = shape;
  return parameterCount(shape) - (tiedEmbeddings ? 0 : vocabulary * hiddenSize);
}

/** Bytes of keys and values that one token leaves in the cache, at two bytes a number. */
export function cacheBytesPerToken({ layers, kvHeads, headSize }: DecoderShape): number {
  return 2 * layers * kvHeads * headSize * 2;
}

/** Inputs and outputs of each projection, by its name in Hugging Face's layout. */
function projections(shape: DecoderShape): Record<string, [inputs: number, outputs: number]> {
  const { hiddenSize: h, heads, kvHeads, headSize, intermediateSize: f } = shape;
  return {
    q_proj: [h, heads * headSize],
    k_proj: [h, kvHeads * headSize],
    v_proj: [h, kvHeads * headSize],
    o_proj: [heads * headSize, h],
    gate_proj: [h, f],
    up_proj: [h, f],
    down_proj: [f, h],
  };
}

/** Parameters of low-rank adapters (Hu et al. 2021): rank × (inputs + outputs) of each target in each layer. */
export function adapterParameters(
  shape: DecoderShape,
  { rank, targets }: { rank: number; targets: readonly string[] },
): number {
  const sizes = projections(shape);
  const perLayer = targets.reduce((sum, name) => sum + sizes[name]![0] + sizes[name]![1], 0);
  return shape.layers * rank * perLayer;
}
