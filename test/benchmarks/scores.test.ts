import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Judgement } from '../../benchmarks/index.js';
import {
  accuracyTable,
  meanOf,
  comparePaired,
  isRight,
  positionStats,
  scoreJudgements,
  styleMatrix,
  wilson,
} from '../../benchmarks/index.js';
import { bothOrders, judgement } from './judgements.js';

describe('accuracy', () => {
  const judgements = [
    ...bothOrders('AB', { category: 'safety' }),
    ...bothOrders('AB', { category: 'chat/tone' }),
    ...bothOrders('xA', { category: 'reasoning/add' }),
    ...bothOrders('nB', { category: 'chat/topic' }),
    ...bothOrders('AA', { category: 'chat/tone' }),
  ];

  it('counts both orders, and takes a verdict for both or none as wrong', () => {
    expect(scoreJudgements(judgements)).toMatchObject({
      right: 6,
      total: 10,
      accuracy: 0.6,
      both: 1,
      none: 1,
    });
  });

  it('is given by section and category, and its average weighs sections alike', () => {
    const table = accuracyTable(judgements);
    expect(table.sections.map(({ name, score }) => [name, score.right, score.total])).toEqual([
      ['chat', 4, 6],
      ['reasoning', 0, 2],
      ['safety', 2, 2],
    ]);
    expect(table.sections[0]?.categories.map(({ name, score }) => [name, score.right, score.total])).toEqual([
      ['chat/tone', 3, 4],
      ['chat/topic', 1, 2],
    ]);
    expect(table.average.accuracy).toBeCloseTo((4 / 6 + 0 + 1) / 3, 12);
    expect(table.overall.accuracy).toBe(0.6);
  });

  it('has the plain Wilson interval where no two judgements share a pair', () => {
    const single = Array.from({ length: 200 }, (_, i) => judgement({ verdict: i % 5 === 0 ? 'B' : 'A' }));
    const { low, high } = scoreJudgements(single);
    expect(low).toBeCloseTo(wilson(160, 200).low, 3);
    expect(high).toBeCloseTo(wilson(160, 200).high, 3);
  });

  it('does not count the two orders of a pair as independent where they always agree', () => {
    const agreeing = Array.from({ length: 100 }, (_, i) => bothOrders(i % 5 === 0 ? 'BA' : 'AB')).flat();
    const { low, high, total } = scoreJudgements(agreeing);
    expect(total).toBe(200);
    expect(low).toBeCloseTo(wilson(80, 100).low, 2);
    expect(high).toBeCloseTo(wilson(80, 100).high, 2);
  });

  it('refuses to score nothing', () =>
    expect(() => scoreJudgements([])).toThrow(new RangeError('there are no judgements to score')));

  it('square-and-add: a mean of two equal scores has an interval narrower by the root of two', () => {
    const one = { accuracy: 0.5, low: 0.4, high: 0.6 };
    const { low, high } = meanOf([one, one]);
    expect(low).toBeCloseTo(0.5 - 0.1 / Math.SQRT2, 12);
    expect(high).toBeCloseTo(0.5 + 0.1 / Math.SQRT2, 12);
  });
});

describe('position', () => {
  it('tells consistent, flipped and undecided pairs apart, and the share of A', () => {
    const stats = positionStats([
      ...bothOrders('AB'),
      ...bothOrders('AB'),
      ...bothOrders('BA'),
      ...bothOrders('AA'),
      ...bothOrders('BB'),
      ...bothOrders('nB'),
      ...bothOrders('Ax'),
      judgement({ gold: 'A', verdict: 'A' }),
    ]);
    expect(stats).toMatchObject({ pairs: 7, wrongInBoth: 1, undecided: 2 });
    expect(stats.rightInBoth).toMatchObject({ count: 2, total: 7 });
    expect(stats.flipped).toMatchObject({ count: 2, total: 7 });
    expect(stats.shareOfA).toMatchObject({ count: 7, total: 13 });
  });
  it('a judge that always says A is right half the time and never consistent', () => {
    const stats = positionStats(Array.from({ length: 10 }, () => bothOrders('AA')).flat());
    expect(stats.rightInBoth.count).toBe(0);
    expect(stats.shareOfA.share).toBe(1);
  });
  it('refuses an order judged twice', () => {
    const [one] = bothOrders('AB') as [Judgement, Judgement];
    expect(() => positionStats([one, one])).toThrow(/judged twice with gold A/);
  });
});

describe('style matrix', () => {
  const cell = (chosen: number, rejected: number, ...verdicts: string[]): Judgement[] =>
    verdicts.flatMap((verdict, i) => bothOrders(verdict, { styles: { chosen, rejected }, group: `g${i}` }));

  // A judge that prefers the more elaborate answer, and has no opinion at equal style.
  const longer = [0, 1, 2].flatMap((chosen) =>
    [0, 1, 2].flatMap((rejected) =>
      cell(chosen, rejected, chosen > rejected ? 'AB' : chosen < rejected ? 'BA' : 'AA'),
    ),
  );

  it('a judge that likes length is right on easy cells and wrong on hard ones, never the other way round', () => {
    const matrix = styleMatrix(longer);
    expect(matrix?.cells.map((row) => row.map((score) => score?.accuracy))).toEqual([
      [0.5, 0, 0],
      [1, 0.5, 0],
      [1, 1, 0.5],
    ]);
    expect(matrix?.bands).toMatchObject({
      easy: { accuracy: 1 },
      normal: { accuracy: 0.5 },
      hard: { accuracy: 0 },
    });
    expect(matrix?.average).toBeCloseTo(0.5, 12);
    expect(matrix?.judgements).toBe(18);
  });

  it('bands are means of cells, not of judgements', () => {
    const uneven = [...cell(1, 0, 'AB', 'AB', 'AB'), ...cell(2, 0, 'BA'), ...cell(2, 1, 'BA')];
    const matrix = styleMatrix(uneven);
    expect(matrix?.bands.easy?.accuracy).toBeCloseTo(1 / 3, 12);
    expect(matrix?.bands.hard).toBeNull();
    expect(matrix?.average).toBeNull();
  });

  it('a band has the interval of its judgements, around the mean of its cells', () => {
    const right = cell(1, 0, 'AB', 'AB', 'AA');
    const matrix = styleMatrix([...right, ...cell(2, 0, 'AA'), ...cell(0, 0, 'BA')]);
    const pooled = scoreJudgements([...right, ...cell(2, 0, 'AA')]);
    const { accuracy, low, high } = matrix!.bands.easy!;
    expect(accuracy).toBeCloseTo((5 / 6 + 1 / 2) / 2, 12);
    expect(low).toBeCloseTo(accuracy - (pooled.accuracy - pooled.low), 12);
    expect(high).toBeCloseTo(Math.min(1, accuracy + (pooled.high - pooled.accuracy)), 12);
    expect(low).toBeGreaterThan(0.2);
    expect(matrix!.average).toBeNull();
  });

  it('the average is that of the three bands', () => {
    const matrix = styleMatrix([...cell(1, 0, 'AB'), ...cell(1, 1, 'AA'), ...cell(0, 1, 'AA', 'AA')]);
    expect(matrix!.average).toBeCloseTo((1 + 0.5 + 0.5) / 3, 12);
  });

  it('leaves out judgements that know no style', () => {
    const matrix = styleMatrix([...cell(1, 0, 'AB'), ...bothOrders('BA')]);
    expect(matrix!.judgements).toBe(2);
    expect(matrix!.bands).toMatchObject({ easy: { accuracy: 1, high: 1 }, normal: null, hard: null });
  });

  it('is absent where no judgement knows its style', () =>
    expect(styleMatrix(bothOrders('AB'))).toBeUndefined());
});

describe('paired comparison', () => {
  const judge = (...verdicts: string[]): Judgement[] =>
    verdicts.flatMap((verdict, i) => bothOrders(verdict, { pairId: `p${i}` }));

  it('counts what was fixed and broken, by judgement and by pair', () => {
    //                    right right | right wrong | wrong wrong | right right
    const before = judge('AB', 'AA', 'BA', 'AB');
    //                   same        | fixed       | both fixed  | one broken
    const after = judge('AB', 'AB', 'AB', 'AA');
    expect(comparePaired(before, after)).toMatchObject({
      judgements: 8,
      unmatched: 0,
      bothRight: 4,
      fixed: 3,
      broken: 1,
      bothWrong: 0,
      before: 5 / 8,
      after: 7 / 8,
      difference: 2 / 8,
      pValue: 2 * (1 + 4) * 0.5 ** 4,
      byPair: { better: 2, worse: 1, same: 1, pValue: 1 },
    });
  });

  it('joins by pair and order, leaves the rest out and counts it', () => {
    const before = judge('AB', 'AB', 'AB');
    const after = [...judge('BA').slice(0, 1), ...bothOrders('AB', { pairId: 'other' })];
    expect(comparePaired(before, after)).toMatchObject({ judgements: 1, broken: 1, unmatched: 7 });
  });

  it('refuses judges without a common item and items judged twice', () => {
    expect(() => comparePaired(judge('AB'), bothOrders('AB', { pairId: 'x' }))).toThrow(
      /no judged item in common/,
    );
    expect(() => comparePaired(judge('AB'), [...judge('AB'), ...judge('AB')])).toThrow(
      /second judge judged A p0 twice/,
    );
  });

  it('agrees with the accuracies of both judges, and turns round when they change places', () => {
    const verdict = fc.constantFrom('AB', 'BA', 'AA', 'BB', 'nB', 'Ax', 'nn');
    const both = fc.array(fc.tuple(verdict, verdict), { minLength: 2, maxLength: 30 });
    fc.assert(
      fc.property(both, (verdicts) => {
        const before = judge(...verdicts.map(([first]) => first));
        const after = judge(...verdicts.map(([, second]) => second));
        const forward = comparePaired(before, after);
        const back = comparePaired(after, before);
        expect(forward.before).toBe(before.filter(isRight).length / before.length);
        expect(forward.after).toBe(after.filter(isRight).length / after.length);
        expect(forward.low).toBeLessThanOrEqual(forward.difference + 1e-12);
        expect(forward.high).toBeGreaterThanOrEqual(forward.difference - 1e-12);
        expect(back.low).toBeCloseTo(-forward.high, 10);
        expect(back.pValue).toBe(forward.pValue);
      }),
    );
  });
});
