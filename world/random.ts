/**
 * Counter-based randomness: every draw is a pure function of (seed, path, counter), so an item depends only on its own
 * name and not on what was drawn before it.
 */

/** 32-bit FNV-1a over UTF-16 units, with a chosen offset so that two independent hashes can be had. */
function hash32(text: string, offset: number): number {
  let hash = offset >>> 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return scramble(hash);
}

/** The finaliser of MurmurHash3: every input bit reaches every output bit. */
function scramble(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** 64 bits of `text` as 16 hexadecimal digits; for names, not for security. */
export function fingerprint(text: string): string {
  const hex = (offset: number): string => hash32(text, offset).toString(16).padStart(8, '0');
  return hex(0x811c9dc5) + hex(0x2f0b4c47);
}

/** A number in [0, 1) that depends on `text` alone. */
export function unitOf(text: string): number {
  return hash32(text, 0x811c9dc5) / 0x1_0000_0000;
}

/** The stream of draws that belongs to a seed and a path, for example `new Draws(7, 'test', 'reasoning/add', 12)`. */
export class Draws {
  readonly #low: number;
  readonly #high: number;
  #counter = 0;

  constructor(seed: number, ...path: (string | number)[]) {
    const name = [seed, ...path].join('/');
    this.#low = hash32(name, 0x811c9dc5);
    this.#high = hash32(name, 0x2f0b4c47);
  }

  /** Uniform in [0, 1). */
  unit(): number {
    this.#counter += 1;
    return scramble(scramble(this.#low ^ Math.imul(this.#counter, 0x9e3779b9)) ^ this.#high) / 0x1_0000_0000;
  }

  /** Uniform integer from `low` to `high`, both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.unit() * (high - low + 1));
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(list: readonly T[]): T {
    const value = list[this.int(0, list.length - 1)];
    if (value === undefined) throw new RangeError('Nothing to pick from an empty list.');
    return value;
  }

  /** `count` different members of `list`, in random order. */
  sample<T>(list: readonly T[], count: number): T[] {
    const rest = [...list];
    return Array.from({ length: count }, () => {
      const [value] = rest.splice(this.int(0, rest.length - 1), 1);
      if (value === undefined)
        throw new RangeError(`Cannot take ${String(count)} of ${String(list.length)}.`);
      return value;
    });
  }

  /** One key of `weights`, with probability in proportion to its weight. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.unit() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) return key;
    }
    const last = entries.at(-1);
    if (last === undefined) throw new RangeError('Nothing to draw from.');
    return last[0];
  }
}
