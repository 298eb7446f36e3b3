/** The capacity plan in numbers worked out by hand; test/slow/scale.test.ts holds it against workflows that run. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { loadRecipe } from '../../recipes/load.js';
import {
  batchCount,
  checkpointBytes,
  figureSignals,
  looksAt,
  shardPlan,
} from '../../recipes/sizing/capacity.js';
import { knownShape } from '../../recipes/sizing/decoder-shape.js';

it('shards grow with the data, their number does not', () => {
  expect(shardPlan({ pairs: 8700, shardSize: 256 })).toEqual({ shards: 34, pairsPerShard: 256, events: 468 });
  expect(shardPlan({ pairs: 800_000, shardSize: 256 })).toMatchObject({ shards: 100, pairsPerShard: 8000 });
});

it('batches hold every question within both limits', () => {
  const { batch } = loadRecipe('rm-r1-qwen2.5-32b-instruct').oracle;
  // 64 MiB hold 14,588 requests of 4,600 bytes.
  expect(batchCount(800_000, 4600, batch)).toBe(55);
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1e6 }),
      fc.integer({ min: 1, max: 1e5 }),
      fc.record({
        maxRequests: fc.integer({ min: 1, max: 5e4 }),
        maxBytes: fc.integer({ min: 1, max: 1e8 }),
      }),
      (questions, bytes, limits) => {
        const each = Math.ceil(questions / batchCount(questions, bytes, limits));
        expect(each).toBeLessThanOrEqual(limits.maxRequests);
        if (each > 1) expect(each * bytes).toBeLessThanOrEqual(limits.maxBytes);
      },
    ),
  );
});

it('looks at 30, 78, 154.8, 277.7, … s', () => {
  const polls = { firstPollSeconds: 30, lastPollSeconds: 900 };
  expect([30, 31, 78, 79, 155].map((seconds) => looksAt(seconds, polls).looks)).toEqual([1, 2, 2, 3, 4]);
});

it('signals every ten seconds at first, then ever rarer', () => {
  expect(figureSignals(100).signals).toBe(11);
  expect(figureSignals(2 * 86_400).signals - figureSignals(86_400).signals).toBe(35);
});

it('a checkpoint of 32B is 393 GB', () => {
  const model = knownShape('Qwen/Qwen2.5-32B-Instruct')!;
  expect(checkpointBytes(model)).toBe(12 * 32_763_876_352);
});
