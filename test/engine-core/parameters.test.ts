import { describe, expect, it } from 'vitest';
import { initializeParameters } from '../../engine/model/initialize.js';
import type { DecoderConfig } from '../../engine/model/parameters.js';
import { parameterLayout, view } from '../../engine/model/parameters.js';

const config: DecoderConfig = {
  hiddenSize: 32,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  intermediateSize: 48,
  maxLength: 64,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tieEmbeddings: true,
  vocabSize: 50,
};

describe('parameter layout', () => {
  it('covers the flat vector without gaps or overlaps, by entries and by blocks', () => {
    for (const tieEmbeddings of [true, false]) {
      const layout = parameterLayout({ ...config, tieEmbeddings });
      for (const parts of [layout.entries, layout.blocks]) {
        let next = 0;
        for (const part of parts) {
          expect(part.offset).toBe(next);
          expect(part.shape.reduce((a, b) => a * b, 1)).toBe(part.size);
          next += part.size;
        }
        expect(next).toBe(layout.size);
      }
      expect(layout.entries.every((entry) => entry.decay === entry.offset < layout.decaySize)).toBe(true);
      expect(layout.entries.every((entry) => entry.decay === entry.shape.length > 1)).toBe(true);
      expect(layout.entries.some((entry) => entry.name === 'lm_head.weight')).toBe(!tieEmbeddings);
    }
  });

  it('names the setting that cannot work', () => {
    expect(() => parameterLayout({ ...config, heads: 5 })).toThrow(
      /hiddenSize 32 must be a multiple of heads 5/,
    );
    expect(() => parameterLayout({ ...config, kvHeads: 3 })).toThrow(/kvHeads 3/);
    expect(() => parameterLayout({ ...config, heads: 32, kvHeads: 32 })).toThrow(/must be even/);
    expect(() => parameterLayout({ ...config, vocabSize: 0 })).toThrow(/vocabSize/);
  });
});

describe('initial weights', () => {
  it('are the same bytes for the same seed and differ between seeds and between parameters', () => {
    const layout = parameterLayout(config);
    const a = initializeParameters(layout, 7);
    expect(Buffer.from(a.buffer).equals(Buffer.from(initializeParameters(layout, 7).buffer))).toBe(true);
    expect(a).not.toEqual(initializeParameters(layout, 8));
    const q = (i: number) =>
      view(
        a,
        layout.entries.find((e) => e.name === `model.layers.${i}.self_attn.q_proj.weight`)!,
      );
    expect(q(0)).not.toEqual(q(1));
  });

  it('do not depend on what else is in the model', () => {
    const deep = parameterLayout({ ...config, layers: 3, vocabSize: 60 });
    const shallow = parameterLayout(config);
    const name = 'model.layers.1.mlp.down_proj.weight';
    const of = (layout: typeof deep) =>
      view(
        initializeParameters(layout, 3),
        layout.entries.find((entry) => entry.name === name)!,
      );
    expect(of(deep)).toEqual(of(shallow));
  });

  it('have mean 0, standard deviation 0.02 and norms of one', () => {
    const layout = parameterLayout({ ...config, vocabSize: 4_000 });
    const flat = initializeParameters(layout, 1);
    const embedding = view(flat, layout.entries[0]!);
    const n = embedding.length;
    const mean = embedding.reduce((sum, x) => sum + x, 0) / n;
    const std = Math.sqrt(embedding.reduce((sum, x) => sum + (x - mean) ** 2, 0) / n);
    // Five standard errors of each estimate.
    expect(Math.abs(mean)).toBeLessThan((5 * 0.02) / Math.sqrt(n));
    expect(Math.abs(std - 0.02)).toBeLessThan((5 * 0.02) / Math.sqrt(2 * n));
    expect(flat.subarray(layout.decaySize).every((x) => x === 1)).toBe(true);
  });
});
