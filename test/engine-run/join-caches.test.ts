/** Caches of rows that go on and rows that join: every used slot moves to its place, nothing else survives. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { tensor, type Tensors } from '../../engine/onnx/index.js';
import { joinCaches, type Cache } from '../../engine/rollout/cache.js';

const config = {
  hiddenSize: 8,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  intermediateSize: 8,
  maxLength: 64,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tieEmbeddings: true,
  vocabSize: 9,
};
const HEAD = 2;

/** Every element names its layer, kind, row, head, slot and dimension. */
function cacheOf(rows: number, past: number, id: number): Cache {
  const tensors: Tensors = {};
  const name = (...parts: number[]) => parts.reduce((sum, part) => sum * 16 + part + 1, id);
  for (let layer = 0; layer < config.layers; layer += 1) {
    const [key, value] = [new Float32Array(rows * 4 * past), new Float32Array(rows * 4 * past)];
    for (let row = 0; row < rows; row += 1)
      for (let head = 0; head < 2; head += 1)
        for (let slot = 0; slot < past; slot += 1)
          for (let i = 0; i < HEAD; i += 1) {
            key[((row * 2 + head) * HEAD + i) * past + slot] = name(layer, row, head, slot, i);
            value[((row * 2 + head) * past + slot) * HEAD + i] = -name(layer, row, head, slot, i);
          }
    tensors[`key.${layer}`] = tensor('float32', key, [rows, 2, HEAD, past]);
    tensors[`value.${layer}`] = tensor('float32', value, [rows, 2, past, HEAD]);
  }
  return { tensors, past };
}

const at = ({ tensors, past }: Cache, layer: number, row: number, head: number, slot: number, i: number) => {
  const key = tensors[`key.${layer}`]!.data[((row * 2 + head) * HEAD + i) * past + slot];
  const value = tensors[`value.${layer}`]!.data[((row * 2 + head) * past + slot) * HEAD + i];
  return [key, value] as [number, number];
};

const used = fc.record({
  source: fc.integer({ min: 0, max: 3 }),
  prompt: fc.integer({ min: 0, max: 5 }),
  generated: fc.integer({ min: 0, max: 4 }),
});

it('keeps prompts at the beginning, generated tokens at the end and zeros between, whatever joins', () => {
  fc.assert(
    fc.property(
      fc.array(used, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 0, max: 3 }),
      (going, joining, bucket, spare) => {
        const old = cacheOf(4, 9, 1);
        const fresh = [cacheOf(joining, bucket, 2), cacheOf(1, bucket + 3, 3)];
        const past = Math.max(bucket, ...going.map(({ prompt, generated }) => prompt + generated)) + spare;
        const joined = joinCaches(config, old, going, fresh, past);
        expect(joined.past).toBe(past);
        for (let layer = 0; layer < config.layers; layer += 1)
          for (let head = 0; head < 2; head += 1)
            for (let i = 0; i < HEAD; i += 1)
              for (let slot = 0; slot < past; slot += 1) {
                going.forEach(({ source, prompt, generated }, row) => {
                  const expected =
                    slot < prompt
                      ? at(old, layer, source, head, slot, i)
                      : slot >= past - generated
                        ? at(old, layer, source, head, slot - past + old.past, i)
                        : [0, 0];
                  expect(at(joined, layer, row, head, slot, i)).toEqual(expected);
                });
                let row = going.length;
                for (const part of fresh)
                  for (let own = 0; own < part.tensors['key.0']!.dims[0]!; own += 1)
                    expect(at(joined, layer, row++, head, slot, i)).toEqual(
                      slot < part.past ? at(part, layer, own, head, slot, i) : [0, 0],
                    );
                expect(row).toBe(joined.tensors['key.0']!.dims[0]);
              }
      },
    ),
    { numRuns: 50 },
  );
});
