/** Seeded initial weights by counter-based randomness: every element depends on (seed, name, index) alone. */
import { createHash } from 'node:crypto';
import type { ParameterLayout } from './parameters.js';
import { view } from './parameters.js';
import { philox } from './philox.js';

/** Standard deviation of all matrices (Llama's `initializer_range`). */
const INITIAL_STD = 0.02;
const UNIT = 2 ** -32;

/**
 * Matrices from a normal distribution of standard deviation 0.02, norms one, biases zero. The same seed gives the same bytes,
 * whatever else is in the model and whatever the order of the parameters.
 */
export function initializeParameters(layout: ParameterLayout, seed: number): Float32Array {
  const flat = new Float32Array(layout.size);
  for (const entry of layout.entries) {
    const target = view(flat, entry);
    if (entry.decay) fillNormal(target, seed, entry.name, INITIAL_STD);
    else if (!entry.name.endsWith('.bias')) target.fill(1);
  }
  return flat;
}

/** Fills `target` with normal deviates of (seed, name), by Box and Muller from Philox counters. */
export function fillNormal(target: Float32Array, seed: number, name: string, std: number): void {
  const key = createHash('sha256').update(`${seed}\n${name}`).digest();
  const k0 = key.readUInt32LE(0);
  const k1 = key.readUInt32LE(4);
  const words = new Uint32Array(4);
  for (let i = 0; i < target.length; i += 4) {
    philox(words, [i / 4, 0, 0, 0], k0, k1);
    for (let pair = 0; pair < 4; pair += 2) {
      // (w + 1) / 2³² is in (0, 1], so the logarithm is finite.
      const radius = std * Math.sqrt(-2 * Math.log((words[pair]! + 1) * UNIT));
      const angle = 2 * Math.PI * words[pair + 1]! * UNIT;
      if (i + pair < target.length) target[i + pair] = radius * Math.cos(angle);
      if (i + pair + 1 < target.length) target[i + pair + 1] = radius * Math.sin(angle);
    }
  }
}
