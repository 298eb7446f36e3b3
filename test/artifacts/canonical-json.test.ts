/** Two spellings of one value would be two keys, and the same stage would run twice. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson } from '../../activities/artifacts/canonical-json.js';
import { mapLimit } from '../../activities/artifacts/map-limit.js';

/** The same value with the fields of every object in reverse order. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversed(item)]),
  );
}

describe('canonical JSON', () => {
  test('is JSON of the same value, and the same text whatever the order of fields', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 2 }), (value) => {
        const text = canonicalJson(value);
        expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(reversed(value))).toBe(text);
      }),
    );
  });

  test('sorts fields at every depth and has no spaces', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'x y' }], a: true })).toBe(
      '{"a":true,"b":[1,{"c":"x y","d":null}]}',
    );
  });

  test('leaves undefined fields out, and keeps the places of a list', () => {
    expect(canonicalJson({ a: undefined, b: [1, undefined, 3] })).toBe('{"b":[1,null,3]}');
  });

  test('writes one object as often as it stands there', () => {
    const shared = { x: 1 };
    expect(canonicalJson({ a: shared, b: [shared, shared] })).toBe('{"a":{"x":1},"b":[{"x":1},{"x":1}]}');
  });

  test.each([
    [{ sft: { rates: [1, Number.NaN] } }, '$.sft.rates[1] is NaN, which JSON cannot carry'],
    [{ n: -Infinity }, '$.n is -Infinity, which JSON cannot carry'],
    [{ f: () => 1 }, '$.f is a function, which JSON cannot carry'],
    [[10n], '$[0] is a bigint, which JSON cannot carry'],
    [undefined, '$ is a undefined, which JSON cannot carry'],
  ])('refuses what JSON cannot carry, and says where', (value, message) => {
    expect(() => canonicalJson(value)).toThrow(new TypeError(message));
  });

  test('refuses a value that holds itself', () => {
    const loop: Record<string, unknown> = {};
    loop.self = [loop];
    expect(() => canonicalJson(loop)).toThrow('$.self[0] refers to itself');
  });
});

describe('work with a limit', () => {
  test('has never more in flight, and its results in order', async () => {
    let running = 0;
    let most = 0;
    const results = await mapLimit([5, 4, 3, 2, 1, 0], 2, async (turns, index) => {
      most = Math.max(most, ++running);
      for (let turn = 0; turn < turns; turn++) await Promise.resolve();
      running -= 1;
      return `${index}:${turns}`;
    });
    expect(results).toEqual(['0:5', '1:4', '2:3', '3:2', '4:1', '5:0']);
    expect(most).toBe(2);
    expect(await mapLimit([], 2, () => Promise.reject(new Error('nothing to do')))).toEqual([]);
  });

  test('starts nothing after a failure, waits for what is under way, and fails with its cause', async () => {
    const started: number[] = [];
    const finished: number[] = [];
    const failing = mapLimit([0, 1, 2, 3], 2, async (item) => {
      started.push(item);
      if (item === 0) throw new Error('the first');
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      finished.push(item);
    });
    await expect(failing).rejects.toThrow('the first');
    expect([started, finished]).toEqual([[0, 1], [1]]);
  });
});
