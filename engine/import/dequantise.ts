/** GGML tensor types to float32. Blocks of 32 weights share a scale (and an offset), stored as half precision. */
import { halfToFloat } from '../checkpoint/half.js';
import { badData } from '../errors.js';

interface BlockType {
  name: string;
  /** Weights and bytes of one block. */
  weights: number;
  bytes: number;
  /** Decode the block that starts at `at` into `out` from `to`. */
  decode: (bytes: DataView, at: number, out: Float32Array, to: number) => void;
}

const half = (bytes: DataView, at: number): number => halfToFloat(bytes.getUint16(at, true));

/** Sixteen bytes of two 4-bit weights each: the low halves come first, then the high ones. */
function nibbles(
  bytes: DataView,
  at: number,
  out: Float32Array,
  to: number,
  scale: number,
  add: number,
): void {
  for (let i = 0; i < 16; i += 1) {
    const byte = bytes.getUint8(at + i);
    out[to + i] = (byte & 15) * scale + add;
    out[to + 16 + i] = (byte >> 4) * scale + add;
  }
}

/** By the codes of `ggml.h`. */
const TYPES: Readonly<Partial<Record<number, BlockType>>> = {
  0: { name: 'F32', weights: 1, bytes: 4, decode: (b, at, out, to) => (out[to] = b.getFloat32(at, true)) },
  1: { name: 'F16', weights: 1, bytes: 2, decode: (b, at, out, to) => (out[to] = half(b, at)) },
  2: {
    name: 'Q4_0',
    weights: 32,
    bytes: 18,
    decode: (b, at, out, to) => {
      const scale = half(b, at);
      nibbles(b, at + 2, out, to, scale, -8 * scale);
    },
  },
  3: {
    name: 'Q4_1',
    weights: 32,
    bytes: 20,
    decode: (b, at, out, to) => nibbles(b, at + 4, out, to, half(b, at), half(b, at + 2)),
  },
  8: {
    name: 'Q8_0',
    weights: 32,
    bytes: 34,
    decode: (b, at, out, to) => {
      const scale = half(b, at);
      for (let i = 0; i < 32; i += 1) out[to + i] = b.getInt8(at + 2 + i) * scale;
    },
  },
};

function blockType(type: number, name: string): BlockType {
  const found = TYPES[type];
  if (found) return found;
  const known = Object.values(TYPES).map((each) => each!.name);
  throw badData(`tensor ${name} has the GGML type ${type}; the engine reads ${known.join(', ')}`);
}

/** Bytes that `count` weights of a type take. @throws EngineError (bad data) for types that are not read. */
export function storedBytes(type: number, count: number, name: string): number {
  const { weights, bytes } = blockType(type, name);
  if (count % weights !== 0)
    throw badData(`tensor ${name}: ${count} weights do not fill blocks of ${weights}`);
  return (count / weights) * bytes;
}

/** Decode the stored bytes of a tensor. */
export function dequantise(type: number, stored: Uint8Array, count: number, name: string): Float32Array {
  const { weights, bytes, decode } = blockType(type, name);
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
  const out = new Float32Array(count);
  for (let block = 0; block < count / weights; block += 1) decode(view, block * bytes, out, block * weights);
  return out;
}
