/**
 * Low-rank adapters (LoRA, arXiv 2106.09685): a frozen weight W [out, in] acts as W + α/r · B·A with trainable
 * A [r, in] and B [out, r]. Names are those of PEFT, so that what is trained here is an adapter there.
 */
import { createHash } from 'node:crypto';
import type { LoraSettings, LoraTarget } from '../job.js';
import type { FlatLayout, ParameterEntry, ParameterLayout } from './parameters.js';
import { SCORE_WEIGHT, view } from './parameters.js';
import { philox } from './philox.js';

/** Where every adapter matrix lies in the flat vector of trainables. */
export interface AdapterLayout extends FlatLayout {
  settings: LoraSettings;
  /** α / r */
  scale: number;
  /** The weights that are adapted, in layout order. */
  targets: readonly AdaptedWeight[];
  /** The scalar head of a reward model, which is trained whole. */
  score?: ParameterEntry;
}

export interface AdaptedWeight {
  /** The frozen weight. */
  weight: ParameterEntry;
  a: ParameterEntry;
  b: ParameterEntry;
}

const projectionOf = (name: string): string => name.split('.').at(-2) ?? '';

/** Adapters for the target projections of every layer, in the order of the model's own parameters. */
export function adapterLayout(model: ParameterLayout, settings: LoraSettings): AdapterLayout {
  const wanted = new Set<string>(settings.targets satisfies readonly LoraTarget[]);
  const entries: ParameterEntry[] = [];
  let size = 0;
  const entry = (name: string, shape: readonly [number, number]): ParameterEntry => {
    const added = { name, shape, offset: size, size: shape[0] * shape[1], decay: true };
    entries.push(added);
    size += added.size;
    return added;
  };
  const targets = model.entries
    .filter(({ name, shape }) => shape.length === 2 && wanted.has(projectionOf(name)))
    .map((weight) => {
      const [out, inputs] = weight.shape as [number, number];
      const stem = `base_model.model.${weight.name.slice(0, -'.weight'.length)}`;
      return {
        weight,
        a: entry(`${stem}.lora_A.weight`, [settings.rank, inputs]),
        b: entry(`${stem}.lora_B.weight`, [out, settings.rank]),
      };
    });
  const score = model.config.scalarHead
    ? entry(`base_model.model.${SCORE_WEIGHT}`, [1, model.config.hiddenSize])
    : undefined;
  const scale = settings.alpha / settings.rank;
  return { settings, scale, targets, ...(score ? { score } : {}), entries, size, decaySize: size };
}

/**
 * Seeded initial adapters: A uniform in ±1/√in (PEFT's default), B zero, so that the adapted model is the frozen one.
 * Every element depends on (seed, name, index) alone. A scalar head is left to be copied from the model.
 */
export function initializeAdapter(layout: AdapterLayout, seed: number): Float32Array {
  const flat = new Float32Array(layout.size);
  for (const { a } of layout.targets) fillUniform(view(flat, a), seed, a.name, 1 / Math.sqrt(a.shape[1]!));
  return flat;
}

function fillUniform(target: Float32Array, seed: number, name: string, bound: number): void {
  const key = createHash('sha256').update(`${seed}\n${name}`).digest();
  const [k0, k1] = [key.readUInt32LE(0), key.readUInt32LE(4)];
  const words = new Uint32Array(4);
  for (let i = 0; i < target.length; i += 1) {
    if (i % 4 === 0) philox(words, [i / 4, 0, 0, 0], k0, k1);
    target[i] = bound * (2 * ((words[i % 4]! + 0.5) / 2 ** 32) - 1);
  }
}
