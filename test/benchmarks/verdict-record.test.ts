import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { goldPosition, itemKey, verdictRecordSchema } from '../../benchmarks/index.js';

const RECORD = { benchmark: 'rmb', subset: 'BoN_set/Harmlessness/S2', id: 7, gold: 'A', verdict: 'both' };

describe('verdict records', () => {
  test('whole numbers and text are the same id', () => {
    const parsed = verdictRecordSchema.parse({ ...RECORD, group: 'g', rival: 0 });
    expect(parsed).toMatchObject({ id: '7', rival: '0', group: 'g' });
  });

  test.each([
    ['an unknown field', { ...RECORD, verdikt: 'A' }],
    ['a missing gold', { ...RECORD, gold: undefined }],
    ['an empty id', { ...RECORD, id: '' }],
    ['one score', { ...RECORD, scores: [1] }],
    ['a fourth style', { ...RECORD, chosenStyle: 3 }],
    ['an unknown verdict', { ...RECORD, verdict: 'a' }],
  ])('%s is refused', (_, record) => {
    expect(verdictRecordSchema.safeParse(record).success).toBe(false);
  });
});

describe('items', () => {
  test('keys tell cells, rivals, subsets and benchmarks apart', () => {
    const keys = [
      itemKey({ benchmark: 'rewardbench', subset: 'hep-go', id: '1' }),
      itemKey({ benchmark: 'rm-bench', subset: 'chat', id: '1', chosenStyle: 0, rejectedStyle: 1 }),
      itemKey({ benchmark: 'rm-bench', subset: 'chat', id: '1', chosenStyle: 1, rejectedStyle: 0 }),
      itemKey({ benchmark: 'rm-bench', subset: 'code', id: '1', chosenStyle: 1, rejectedStyle: 0 }),
      itemKey({ benchmark: 'rmb', subset: 'BoN_set/Helpfulness/X', id: '1', group: '1', rival: '0' }),
      itemKey({ benchmark: 'rmb', subset: 'BoN_set/Helpfulness/X', id: '1', group: '1', rival: '1' }),
      itemKey({ benchmark: 'rmb', subset: 'Pairwise_set/Helpfulness/X', id: '1' }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  test('the place of the chosen answer depends on key and seed alone and is balanced', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), (key, seed) => goldPosition(key, seed) === goldPosition(key, seed)),
    );
    const atA = Array.from({ length: 4_000 }, (_, i) => goldPosition(`rmb/x/${i}`, 1)).filter(
      (p) => p === 'A',
    );
    // Five standard deviations of a fair coin.
    expect(Math.abs(atA.length - 2_000)).toBeLessThan(160);
  });
});
