/** GGUF to a model directory in Hugging Face layout, weights widened to float32. */
import { mkdirSync } from 'node:fs';
import { writeModelFiles } from '../checkpoint/model-directory.js';
import { badData } from '../errors.js';
import { architectureSchema, type Architecture } from '../job.js';
import { headDim, parameterLayout, view } from '../model/parameters.js';
import { writeTokenizer } from '../tokenizer/tokenizer-files.js';
import { TextTokenizer } from '../tokenizer/tokenizer.js';
import { GgufFile } from './gguf-file.js';
import { ggufTokenizer } from './gguf-tokenizer.js';

const PARTS: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

/** `model.layers.3.self_attn.q_proj.weight` → `blk.3.attn_q.weight` */
export function ggufName(name: string): string {
  const fixed = { 'model.embed_tokens': 'token_embd', 'model.norm': 'output_norm', lm_head: 'output' };
  const [, stem, suffix] = /^(.*)\.(weight|bias)$/.exec(name) ?? [];
  const layer = /^model\.layers\.(\d+)\.(.*)$/.exec(stem ?? '');
  const own = layer ? PARTS[layer[2]!] : fixed[stem as keyof typeof fixed];
  if (!own) throw new Error(`no GGUF name for ${name}`);
  return layer ? `blk.${layer[1]}.${own}.${suffix}` : `${own}.${suffix}`;
}

/**
 * Write the model of `ggufPath` into `dir`. The same file always gives the same bytes.
 * @throws EngineError (bad data) naming what is malformed or not supported.
 */
export async function importGguf(ggufPath: string, dir: string): Promise<void> {
  const file = await GgufFile.open(ggufPath);
  const architecture = ggufArchitecture(file);
  mkdirSync(dir, { recursive: true });
  writeTokenizer(dir, ggufTokenizer(file));
  const tokenizer = TextTokenizer.load(dir);
  const layout = parameterLayout({ ...architecture, vocabSize: tokenizer.vocabSize });
  const parameters = new Float32Array(layout.size);
  const interleaved = file.get('general.architecture', 'string') === 'llama';
  for (const entry of layout.entries) {
    const data = file.read(ggufName(entry.name), entry.shape);
    const rotated = /\.self_attn\.[qk]_proj\./.test(entry.name);
    view(parameters, entry).set(
      interleaved && rotated ? halves(data, headDim(architecture), entry.shape[1] ?? 1) : data,
    );
  }
  writeModelFiles(dir, { layout, parameters, tokenizer, tokenizerDir: dir });
}

function ggufArchitecture(file: GgufFile): Architecture {
  const family = file.get('general.architecture', 'string');
  if (family !== 'llama' && family !== 'qwen2')
    throw badData(`${file.path}: general.architecture is ${family}; the engine runs llama and qwen2`);
  const number = (key: string): number => file.get(`${family}.${key}`, 'number');
  const scaling = file.find(`${family}.rope.scaling.type`, 'string') ?? 'none';
  if ((scaling !== 'none' && scaling !== 'linear') || file.tensors.has('rope_freqs.weight'))
    throw badData(`${file.path}: this rope scaling cannot be read from GGUF; use the safetensors checkpoint`);
  const heads = number('attention.head_count');
  const hiddenSize = number('embedding_length');
  const keyLength = file.find(`${family}.attention.key_length`, 'number');
  const biased = file.tensors.has('blk.0.attn_q.bias');
  const parsed = architectureSchema.safeParse({
    hiddenSize,
    layers: number('block_count'),
    heads,
    kvHeads: file.find(`${family}.attention.head_count_kv`, 'number') ?? heads,
    intermediateSize: number('feed_forward_length'),
    maxLength: number('context_length'),
    ropeTheta: file.find(`${family}.rope.freq_base`, 'number') ?? 10_000,
    // Stored as float32; the shortest decimal that rounds to it is what the authors wrote.
    normEpsilon: Number(number('attention.layer_norm_rms_epsilon').toPrecision(7)),
    tieEmbeddings: !file.tensors.has('output.weight'),
    ...(keyLength !== undefined && keyLength !== hiddenSize / heads ? { headDim: keyLength } : {}),
    ...(biased ? { attentionBias: file.tensors.has('blk.0.attn_output.bias') ? 'qkvo' : 'qkv' } : {}),
    ...(scaling === 'linear'
      ? { ropeScaling: { type: 'linear', factor: number('rope.scaling.factor') } }
      : {}),
  });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw badData(`${file.path}: ${family} ${issue?.path.join('.')}: ${issue?.message}`);
}

/**
 * Query and key rows of llama files turn in neighbouring pairs; Hugging Face turns the halves of a head against each
 * other. Row 2i + j of a head goes to row j·headDim/2 + i.
 */
function halves(data: Float32Array, headSize: number, columns: number): Float32Array {
  const out = new Float32Array(data.length);
  const rows = data.length / columns;
  for (let row = 0; row < rows; row += 1) {
    const within = row % headSize;
    const to = row - within + (within % 2) * (headSize / 2) + (within >> 1);
    out.set(data.subarray(row * columns, (row + 1) * columns), to * columns);
  }
  return out;
}
