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

  // What people write most often, and what they are told then.
  test.each([
    [{ benchmark: 'mtbench' }, 'must be one of rewardbench, rm-bench, rmb'],
    [{ subset: 7 }, 'must be text, the subset or category of the item'],
    [{ subset: '' }, 'is empty'],
    [{ id: '' }, 'is empty'],
    [{ id: 1.5 }, 'must be text or a whole number, not empty'],
    [{ gold: 'a' }, 'must be "A" or "B", where the better answer stood'],
    [{ verdict: 'AB' }, 'must be "A", "B", "both", "none" or "tie"'],
    [{ chosenStyle: 3 }, 'must be 0 (concise), 1 (detailed) or 2 (markdown)'],
    [{ rejectedStyle: '0' }, 'must be 0 (concise), 1 (detailed) or 2 (markdown)'],
    [{ scores: 3 }, 'must be two numbers [a, b]'],
    [{ scores: ['1', 2] }, 'must be a number'],
    [{ scores: [1, null] }, 'must be a number'],
    [{ votes: 'A' }, 'must be a list of verdicts'],
    [{ votes: [] }, 'is empty'],
    [{ votes: ['C'] }, 'must be "A", "B", "both", "none" or "tie"'],
    [{ text: 1 }, 'must be text'],
    [{ promptSha256: 1 }, 'must be text'],
    [{ inputTokens: 1.5 }, 'must be a whole number'],
    [{ outputTokens: -1 }, 'must not be negative'],
    [{ seconds: '1' }, 'must be a number'],
    [{ seconds: -1 }, 'must not be negative'],
    [{ costUsd: null }, 'must be a number'],
    [{ costUsd: -1 }, 'must not be negative'],
    [{ finished: 'yes' }, 'must be true or false'],
  ])('%j is told: %s', (change, message) => {
    const { error } = verdictRecordSchema.safeParse({ ...RECORD, ...change });
    expect(error?.issues.map((issue) => issue.message)).toEqual([message]);
    expect(error?.issues[0]?.path[0]).toBe(Object.keys(change)[0]);
  });

  test('a line that is no object is told so', () => {
    expect(verdictRecordSchema.safeParse([]).error?.issues[0]?.message).toBe('must be a JSON object');
  });

  test('everything that a judge can tell is kept', () => {
    const whole = {
      ...{ ...RECORD, id: '7', chosenStyle: 0, rejectedStyle: 2, rival: '1', group: '2', scores: [0, -1] },
      ...{ votes: ['A', 'tie'], text: '', promptSha256: 'ab', inputTokens: 0, outputTokens: 3 },
      ...{ seconds: 0, costUsd: 0, finished: false },
    };
    expect(verdictRecordSchema.parse(whole)).toEqual(whole);
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
    // They join verdict files of years: never another form.
    expect([keys[0], keys[1], keys[4], keys[6]]).toEqual([
      'rewardbench/hep-go/1',
      'rm-bench/chat/1/0-1',
      'rmb/BoN_set/Helpfulness/X/1/0',
      'rmb/Pairwise_set/Helpfulness/X/1',
    ]);
  });

  test('the place of the chosen answer is the same in every version, or no evaluation could go on', () => {
    const places = (seed: number) =>
      Array.from({ length: 12 }, (_, i) => goldPosition(`rmb/x/${i}`, seed)).join('');
    expect([places(0), places(1), places(2)]).toEqual(['AABABAABBBAA', 'BBAABAABBAAB', 'BBBABBAAAAAB']);
    // A hash that begins with 128: the first of the upper half.
    expect(goldPosition('rmb/x/150', 1)).toBe('B');
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
