/** A record that names no item of its benchmark would be scored as one: which field is wrong, and how to mend it. */
import { describe, expect, test } from 'vitest';
import type { VerdictRecord } from '../../benchmarks/index.js';
import { checkRecord, REWARDBENCH_SUBSETS, rmbSectionOf, RM_BENCH_SUBSETS } from '../../benchmarks/index.js';

const verdict = { id: '1', gold: 'A', verdict: 'A' } as const;
const rewardBench: VerdictRecord = { ...verdict, benchmark: 'rewardbench', subset: 'hep-go' };
const rmBench: VerdictRecord = {
  ...verdict,
  ...{ benchmark: 'rm-bench', subset: 'chat', chosenStyle: 0, rejectedStyle: 2 },
};
const rmbPair: VerdictRecord = { ...verdict, benchmark: 'rmb', subset: 'Pairwise_set/Helpfulness/Chat' };
const rmbList: VerdictRecord = {
  ...verdict,
  ...{ benchmark: 'rmb', subset: 'BoN_set/Harmlessness/S2', group: '1', rival: '0' },
};

/** The record without some of its fields. */
const without = (record: VerdictRecord, field: keyof VerdictRecord): VerdictRecord =>
  Object.fromEntries(Object.entries(record).filter(([name]) => name !== field)) as VerdictRecord;

test.each([rewardBench, rmBench, rmbPair, rmbList])(
  'a whole record of $benchmark $subset passes',
  (record) => {
    expect(checkRecord(record)).toBeUndefined();
  },
);

test('every subset and section that is published passes', () => {
  for (const subset of REWARDBENCH_SUBSETS.keys())
    expect(checkRecord({ ...rewardBench, subset })).toBeUndefined();
  for (const subset of RM_BENCH_SUBSETS.keys()) expect(checkRecord({ ...rmBench, subset })).toBeUndefined();
  expect(
    [
      'Pairwise_set/Helpfulness',
      'Pairwise_set/Harmlessness',
      'BoN_set/Helpfulness',
      'BoN_set/Harmlessness',
    ].map((path) => rmbSectionOf(`${path}/x/y`)),
  ).toEqual(['pairwise-helpfulness', 'pairwise-harmlessness', 'bon-helpfulness', 'bon-harmlessness']);
});

describe('the first thing that is wrong is named', () => {
  test.each([
    [
      { ...rewardBench, subset: 'chat' },
      'subset',
      /^"chat" is no subset of RewardBench; they are alpacaeval-easy, .*, hep-rust$/,
    ],
    [
      { ...rewardBench, subset: 'anthropic_hhh' },
      'subset',
      /^"anthropic_hhh" is a prior set; ask for the convention prior-sets, or leave these records out$/,
    ],
    [
      { ...rmBench, subset: 'safety' },
      'subset',
      /^"safety" is no subset of RM-Bench; they are chat, math, .*, safety-response$/,
    ],
    [
      { ...rmbPair, subset: 'Helpfulness/Chat' },
      'subset',
      /^"Helpfulness\/Chat" is no category path of RMB, such as "Pairwise_set/,
    ],
    [{ ...rmbPair, subset: 'BoN_set' }, 'subset', /no category path/],
    [{ ...rmbPair, subset: 'Other_set/Helpfulness/x' }, 'subset', /no category path/],
    [{ ...rmbPair, subset: 'Pairwise_set/Honesty/x' }, 'subset', /no category path/],
    [
      without(rmBench, 'chosenStyle'),
      'chosenStyle',
      /^is missing; RM-Bench needs the style of both answers, 0, 1 or 2$/,
    ],
    [without(rmBench, 'rejectedStyle'), 'rejectedStyle', /^is missing/],
    [
      { ...rewardBench, chosenStyle: 0 },
      'chosenStyle',
      /^belongs to RM-Bench only; leave it out, or mend the benchmark$/,
    ],
    [{ ...rmbPair, rejectedStyle: 0 }, 'rejectedStyle', /^belongs to RM-Bench only/],
    [{ ...rewardBench, group: '1' }, 'group', /^belongs to best-of-N lists of RMB only; leave it out$/],
    [{ ...rmBench, rival: '1' }, 'rival', /^belongs to best-of-N/],
    [{ ...rmbPair, group: '1' }, 'group', /^belongs to best-of-N/],
    [
      without(rmbList, 'group'),
      'group',
      /^is missing; best-of-N needs the list \(group\) and its loser \(rival\)$/,
    ],
    [without(rmbList, 'rival'), 'rival', /^is missing; best-of-N/],
  ] as [VerdictRecord, string, RegExp][])('%j', (record, field, message) => {
    expect(checkRecord(record)).toEqual({ field, message: expect.stringMatching(message) as string });
  });

  test('a prior set passes where its convention is asked for, and no other name does', () => {
    for (const subset of ['anthropic_helpful', 'anthropic_hhh', 'shp', 'summarize'])
      expect(checkRecord({ ...rewardBench, subset }, ['prior-sets'])).toBeUndefined();
    expect(checkRecord({ ...rewardBench, subset: 'chat' }, ['prior-sets'])).toMatchObject({
      field: 'subset',
    });
  });
});
