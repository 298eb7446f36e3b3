import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareUnits,
  scoreVerdicts,
  unitsOfRecords,
  type Unit,
  type VerdictRecord,
} from '../../benchmarks/index.js';

/** Units of one part whose outcomes are given. */
const units = (outcomes: readonly number[], section = 'Chat'): Unit[] =>
  outcomes.map((outcome, index) => ({
    key: `A ${section}/${index}`,
    cluster: `${section}/${index}`,
    stratum: section,
    section,
    weight: 1,
    outcome,
  }));

describe('comparing two judges', () => {
  it('turns around with its arguments', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1), fc.nat(1)), { minLength: 5, maxLength: 30 }), (pairs) => {
        const a = units(pairs.map(([x]) => x));
        const b = units(pairs.map(([, y]) => y));
        const [there, back] = [compareUnits(a, b).score, compareUnits(b, a).score];
        expect(there.difference).toBeCloseTo(-back.difference, 12);
        expect(there.low).toBeCloseTo(-back.high, 12);
        expect([there.fixed, there.broken]).toEqual([back.broken, back.fixed]);
        expect(there.pValue).toBeCloseTo(back.pValue, 12);
      }),
      { numRuns: 3 },
    );
  });

  it('finds a difference that is there, and names it', () => {
    const a = units(Array.from({ length: 300 }, (_, i) => (i % 2 === 0 ? 1 : 0)));
    const b = units(Array.from({ length: 300 }, (_, i) => (i % 2 === 0 || i % 3 === 0 ? 1 : 0)));
    const { score, conclusion } = compareUnits(a, b, { names: ['old', 'new'] });
    expect(score).toMatchObject({ count: 300, fixed: 50, broken: 0, a: 0.5 });
    expect(score.difference).toBeCloseTo(1 / 6);
    expect(score.low).toBeGreaterThan(0);
    expect(score.pValue).toBeCloseTo(2 ** -49, 18);
    expect(conclusion).toMatch(
      /^new is better than old by 16\.7 points \(95 % interval \+\d+\.\d to \+\d+\.\d; McNemar p < 0\.001; 300 shared/,
    );
  });

  it('claims nothing where nothing can be told', () => {
    const a = units(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 1 : 0)));
    const b = units(
      Array.from({ length: 40 }, (_, i) =>
        i === 0 || i === 1 ? 1 - (i % 2 === 0 ? 1 : 0) : i % 2 === 0 ? 1 : 0,
      ),
    );
    expect(compareUnits(a, b).conclusion).toMatch(/^No difference between B and A can be told/);
    expect(compareUnits(a, a).conclusion).toMatch(/score the same/);
  });

  it('says in words what a reader may take away, no more', () => {
    const right = (count: number, total: number) =>
      units(Array.from({ length: total }, (_, i) => (i < count ? 1 : 0)));
    const words = (a: number, b: number, total = 40) =>
      compareUnits(right(a, total), right(b, total)).conclusion;
    expect(words(20, 30)).toMatch(
      /^B is better than A by 25\.0 points \(95 % interval \+1\d\.\d to \+[34]\d\.\d; McNemar p = 0\.002; 40 shared judgements\)\.$/,
    );
    expect(words(30, 20)).toMatch(
      /^B is worse than A by 25\.0 points \(95 % interval −[34]\d\.\d to −1\d\.\d; /,
    );
    expect(words(20, 22)).toMatch(
      /^No difference between B and A can be told from these items: \+5\.0 points \(95 % interval \+0\.0 to \+1\d\.\d; McNemar p = 0\.500; /,
    );
    expect(words(22, 20)).toMatch(
      /can be told from these items: −5\.0 points \(95 % interval −1\d\.\d to [+−]0\.0; /,
    );
    expect(words(1, 1, 1000)).toBe(
      'B and A score the same (95 % interval +0.0 to +0.0; McNemar p = 1.000; 1,000 shared judgements).',
    );
  });

  it('scores and tests each section by itself, and the whole as their mean', () => {
    const a = [...units([1, 0, 0, 1], 'Chat'), ...units([1, 1], 'Safety')];
    const b = [...units([1, 1, 0, 0], 'Chat'), ...units([0, 0], 'Safety')];
    const { score, sections } = compareUnits(a, b);
    expect(sections['Chat']).toMatchObject({
      count: 4,
      a: 0.5,
      b: 0.5,
      difference: 0,
      fixed: 1,
      broken: 1,
      pValue: 1,
    });
    expect(sections['Safety']).toMatchObject({
      ...{ count: 2, a: 1, b: 0, difference: -1, low: -1, high: -1, fixed: 0, broken: 2, pValue: 0.5 },
    });
    expect(score).toMatchObject({
      count: 6,
      a: 0.75,
      b: 0.25,
      difference: -0.5,
      fixed: 1,
      broken: 3,
      pValue: 0.625,
    });
  });

  it('gives the parts of a section their weights, and half an outcome is neither right nor wrong', () => {
    const part = (stratum: string, weight: number, outcome: number): Unit => ({
      ...{ key: stratum, cluster: stratum, stratum, section: 'Reasoning', weight, outcome },
    });
    const a = [part('math', 3, 0), part('code', 1, 0.5)];
    const b = [part('math', 3, 0.5), part('code', 1, 1)];
    expect(compareUnits(a, b).score).toMatchObject({ a: 0.125, b: 0.625, fixed: 1, broken: 0 });
    expect(compareUnits(b, a).score).toMatchObject({ a: 0.625, b: 0.125, fixed: 0, broken: 1 });
  });

  it('gives the same interval for the same seed, on every machine', () => {
    const of = (factor: number) => units(Array.from({ length: 40 }, (_, i) => ((i * factor) % 41) / 41));
    const at = (seed: number) => {
      const { low, high } = compareUnits(of(7), of(11), { seed }).score;
      return [low.toFixed(4), high.toFixed(4)];
    };
    expect([at(0), at(1), at(-1)]).toEqual([
      ['-0.1177', '0.1232'],
      ['-0.1232', '0.1232'],
      ['-0.1171', '0.1232'],
    ]);
    expect(at(0)).toEqual(at(0));
  });

  it('is wider where the units of a prompt go together', () => {
    const clustered = (outcome: (prompt: number) => number, size: number): Unit[] =>
      Array.from({ length: 90 }, (_, index) => ({
        ...units([outcome(Math.floor(index / 9))])[0]!,
        key: `k${index}`,
        cluster: `c${Math.floor(index / size)}`,
      }));
    const [a, b] = [(prompt: number) => (prompt < 5 ? 1 : 0), (prompt: number) => (prompt < 8 ? 1 : 0)];
    const width = (size: number) => {
      const { low, high } = compareUnits(clustered(a, size), clustered(b, size)).score;
      return high - low;
    };
    expect(width(9)).toBeGreaterThan(1.5 * width(1));
  });

  it('leaves out and counts what only one of them judged', () => {
    const a = units([1, 0, 1, 1, 0, 0]);
    expect(compareUnits(a, a.slice(2))).toMatchObject({ onlyA: 2, onlyB: 0, score: { count: 4 } });
    expect(() => compareUnits(a, units([1], 'Other'))).toThrow(/no judged item in common/);
    expect(() => compareUnits(a, [a[0]!, a[0]!])).toThrow(/twice/);
  });
});

describe('scores of a comparison are those of the benchmark', () => {
  const verdictOf = (right: boolean, gold: 'A' | 'B') => (right ? gold : gold === 'A' ? 'B' : 'A');
  const records = (benchmark: VerdictRecord['benchmark'], seed: number): VerdictRecord[] => {
    const record = (change: Partial<VerdictRecord>, index: number): VerdictRecord => {
      const gold = index % 2 === 0 ? 'A' : 'B';
      const right = (index * 7 + seed * 5) % 11 > 3;
      return { benchmark, subset: '', id: String(index), gold, verdict: verdictOf(right, gold), ...change };
    };
    if (benchmark === 'rewardbench') {
      const subsets = ['alpacaeval-easy', 'llmbar-natural', 'math-prm', 'hep-go', 'donotanswer'];
      return Array.from({ length: 60 }, (_, i) => record({ subset: subsets[i % 5]! }, i));
    }
    if (benchmark === 'rm-bench') {
      return Array.from({ length: 90 }, (_, i) =>
        record(
          {
            subset: ['chat', 'code', 'safety-refuse', 'safety-response'][Math.floor(i / 9) % 4]!,
            id: String(Math.floor(i / 9)),
            chosenStyle: (Math.floor(i / 3) % 3) as 0 | 1 | 2,
            rejectedStyle: (i % 3) as 0 | 1 | 2,
          },
          i,
        ),
      );
    }
    return Array.from({ length: 60 }, (_, i) =>
      i < 30
        ? record({ subset: `Pairwise_set/${i % 2 ? 'Helpfulness' : 'Harmlessness'}/x` }, i)
        : record(
            {
              subset: `BoN_set/${i % 2 ? 'Helpfulness' : 'Harmlessness'}/x`,
              group: String(Math.floor(i / 6)),
              rival: String(i % 6),
              id: String(Math.floor(i / 6)),
            },
            i,
          ),
    );
  };

  it.each(['rewardbench', 'rm-bench', 'rmb'] as const)('%s', (benchmark) => {
    const [first, second] = [records(benchmark, 1), records(benchmark, 2)];
    const { score } = compareUnits(unitsOfRecords(benchmark, first), unitsOfRecords(benchmark, second));
    expect(score.a).toBeCloseTo(scoreVerdicts(benchmark, first).score, 10);
    expect(score.b).toBeCloseTo(scoreVerdicts(benchmark, second).score, 10);
  });
});
