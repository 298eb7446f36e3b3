/** Writes small GGUF files (version 3), as llama.cpp lays them out. */
import { BYTE_CHARACTERS } from '../../../engine/tokenizer/byte-level.js';

type Meta = string | number | boolean | string[] | { float: number };
export interface StoredTensor {
  name: string;
  /** GGML code. */
  type: number;
  /** Outermost first. */
  shape: number[];
  bytes: Uint8Array;
}

const u32 = (value: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
};
const u64 = (value: number): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE(BigInt(value));
  return out;
};
const f32 = (value: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeFloatLE(value);
  return out;
};
const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);

function meta(key: string, value: Meta | number[]): Buffer {
  const typed = (type: number, ...parts: Buffer[]): Buffer => Buffer.concat([text(key), u32(type), ...parts]);
  if (typeof value === 'string') return typed(8, text(value));
  if (typeof value === 'number') return typed(4, u32(value));
  if (typeof value === 'boolean') return typed(7, Buffer.from([Number(value)]));
  if (!Array.isArray(value)) return typed(6, f32(value.float));
  const strings = typeof value[0] === 'string';
  const items = value.map((item) => (typeof item === 'string' ? text(item) : u32(item)));
  return typed(9, u32(strings ? 8 : 4), u64(value.length), ...items);
}

const ALIGNMENT = 32;
const padded = (bytes: Uint8Array): Buffer =>
  Buffer.concat([bytes, Buffer.alloc((ALIGNMENT - (bytes.length % ALIGNMENT)) % ALIGNMENT)]);

export function writeGguf(
  metadata: Record<string, Meta | number[]>,
  tensors: readonly StoredTensor[],
): Buffer {
  let offset = 0;
  const infos = tensors.map(({ name, type, shape, bytes }) => {
    const info = Buffer.concat([
      text(name),
      u32(shape.length),
      ...[...shape].reverse().map(u64),
      u32(type),
      u64(offset),
    ]);
    offset += padded(bytes).length;
    return info;
  });
  const pairs = Object.entries(metadata).map(([key, value]) => meta(key, value));
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(3),
    u64(tensors.length),
    u64(pairs.length),
    ...pairs,
    ...infos,
  ]);
  return Buffer.concat([padded(head), ...tensors.map(({ bytes }) => padded(bytes))]);
}

export const floats = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

const SPECIAL = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];
export const TOKENS = [...SPECIAL, ...BYTE_CHARACTERS, 'he', 'll', 'hell', 'Ġhe', 'ĠÂ'];

/** Metadata of a llama with 2 layers, hidden size 32, a byte-level tokenizer and a chat template. */
export const METADATA: Record<string, Meta | number[]> = {
  'general.architecture': 'llama',
  'llama.block_count': 2,
  'llama.context_length': 128,
  'llama.embedding_length': 32,
  'llama.feed_forward_length': 64,
  'llama.attention.head_count': 4,
  'llama.attention.head_count_kv': 2,
  'llama.rope.freq_base': { float: 100_000 },
  'llama.attention.layer_norm_rms_epsilon': { float: 1e-5 },
  'tokenizer.ggml.model': 'gpt2',
  'tokenizer.ggml.pre': 'smollm',
  'tokenizer.ggml.tokens': TOKENS,
  'tokenizer.ggml.token_type': TOKENS.map((token) => (SPECIAL.includes(token) ? 3 : 1)),
  'tokenizer.ggml.merges': ['h e', 'l l', 'he ll', 'Ġ he', 'Ġ Â'],
  'tokenizer.ggml.bos_token_id': 1,
  'tokenizer.ggml.eos_token_id': 2,
  'tokenizer.ggml.unknown_token_id': 0,
  'tokenizer.ggml.padding_token_id': 2,
  'tokenizer.chat_template':
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
};
