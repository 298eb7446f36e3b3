import type { FlatLayout } from '../../engine/model/parameters.js';

/** The formula of golden/generate.py. */
export function goldenParameters(layout: FlatLayout): Float32Array {
  const flat = new Float32Array(layout.size);
  for (const entry of layout.entries) {
    const base = entry.decay ? 0 : 1;
    for (let i = 0; i < entry.size; i += 1) {
      flat[entry.offset + i] = base + 0.4 * Math.sin(0.7 * i * i + 1.3 * entry.name.length + i);
    }
  }
  return flat;
}

/** Distance relative to the size of the expected vector. */
export function relativeError(actual: ArrayLike<number>, expected: readonly number[]): number {
  const difference = Math.hypot(...expected.map((x, i) => x - actual[i]!));
  return difference / Math.hypot(...expected);
}
