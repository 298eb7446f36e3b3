/**
 * Counter-based randomness: Philox-4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11).
 * A draw is a pure function of its key and counter, so the order in which draws are made, batching and resuming
 * cannot change it.
 */

const ROUND_MULTIPLIER_0 = 0xd2511f53;
const ROUND_MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

/** High 32 bits of the unsigned 64-bit product. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

export type Counter = readonly [number, number, number, number];

/** One Philox-4x32-10 block: four unsigned 32-bit words for a counter of four words and a key of two. */
export function philox(counter: Counter, key0: number, key1: number): [number, number, number, number] {
  let [c0, c1, c2, c3] = counter;
  let k0 = key0 >>> 0;
  let k1 = key1 >>> 0;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(ROUND_MULTIPLIER_0, c0 >>> 0);
    const low0 = Math.imul(ROUND_MULTIPLIER_0, c0) >>> 0;
    const high1 = multiplyHigh(ROUND_MULTIPLIER_1, c2 >>> 0);
    const low1 = Math.imul(ROUND_MULTIPLIER_1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c1 = low1;
    c3 = low0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** What a random number is for; keeps the streams of one seed apart. */
const STREAM = { sampling: 1, shuffling: 2 } as const;

/** Key words of a job seed (up to 2^53) and a stream. */
function keyOf(seed: number, stream: number): [number, number] {
  return [seed >>> 0, ((Math.floor(seed / 0x1_0000_0000) & 0x1fffff) | (stream << 24)) >>> 0];
}

/** 23 random bits as a number in [0, 1 − 2^-23], exact in float32: times any total it stays below the total. */
function unit(word: number): number {
  return (word >>> 9) / 0x80_0000;
}

/** Identity of one sampled sequence: job seed, training step (0 when generating), prompt key and sample number. */
export interface SampleKey {
  seed: number;
  step: number;
  prompt: number;
  sample: number;
}

/** Uniforms in [0, 1) for the tokens at `position … position + out.length − 1` of a completion; fills `out`. */
export function samplingUniforms(sample: SampleKey, position: number, out: Float32Array): void {
  const [key0, key1] = keyOf(sample.seed, STREAM.sampling);
  let block = -1;
  let words: readonly number[] = [];
  for (let i = 0; i < out.length; i++) {
    const at = position + i;
    if (at >>> 2 !== block) {
      block = at >>> 2;
      words = philox([block, sample.sample, sample.prompt, sample.step], key0, key1);
    }
    out[i] = unit(words[at & 3]!);
  }
}

/** 32-bit FNV-1a hash of a string's UTF-8 bytes: the prompt key of an item id. */
export function hashId(id: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(id)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** A permutation of 0 … count − 1 for one epoch of a seed (Fisher–Yates; the modulo bias is below 2^-40). */
export function shuffledOrder(count: number, seed: number, epoch: number): Uint32Array {
  const [key0, key1] = keyOf(seed, STREAM.shuffling);
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const [low, high] = philox([i, epoch, 0, 0], key0, key1);
    const draw = (BigInt(high) << 32n) | BigInt(low);
    const j = Number(draw % BigInt(i + 1));
    const held = order[i]!;
    order[i] = order[j]!;
    order[j] = held;
  }
  return order;
}
