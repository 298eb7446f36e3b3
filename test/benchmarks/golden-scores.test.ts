/** Published and reference numbers, to 1e-9. */
import { describe, expect, test } from 'vitest';
import type { BenchmarkScore, StyleLevel, VerdictRecord } from '../../benchmarks/index.js';
import { checkRecord, outcomeOf, outcomeRules, scoreVerdicts } from '../../benchmarks/index.js';
import { REFERENCE_JUDGES, rmBenchVerdicts, rmbVerdicts, verdictsWith } from './reference-verdicts.js';
import { noSharedData, sharedJson, sharedLines, withSharedData } from './shared-data.js';

const DIGITS = 9;

interface Expected {
  'rm-bench': {
    domains: Record<string, { hard: number; normal: number; easy: number; avg: number; cells: number[][] }>;
    hard: number;
    normal: number;
    easy: number;
    total: number;
  };
  'rmb overall': number;
  [section: string]: unknown;
}
interface Published {
  models: Record<
    string,
    {
      rewardbench: {
        correct: Record<string, number>;
        sections: Record<string, number>;
        average_of_sections: number;
        micro_accuracy: number;
      };
      'rm-bench': { domains: Record<string, number>; total: number };
      rmb: Record<string, { categories: Record<string, number> }> & { sections: Record<string, number> };
    }
  >;
  rewardbench_counts: Record<string, number>;
  rm_bench_counts: Record<string, number>;
  rmb_counts: { pairwise: Record<string, number>; bon_lists: Record<string, number> };
}

type ScoreOf<Name> = Extract<BenchmarkScore, { benchmark: Name }>;
function score<Name extends BenchmarkScore['benchmark']>(
  benchmark: Name,
  records: VerdictRecord[],
): ScoreOf<Name> {
  expect(records.map((record) => checkRecord(record)).find(Boolean)).toBeUndefined();
  return scoreVerdicts(benchmark, records) as ScoreOf<Name>;
}

describe.skipIf(noSharedData)(withSharedData('the reference judges'), () => {
  const expected = noSharedData ? {} : sharedJson<Record<string, Expected>>('expected', 'expected.json');

  test.each(REFERENCE_JUDGES)('RM-Bench, %s', (judge) => {
    const want = expected[judge]!['rm-bench'];
    const got = score('rm-bench', rmBenchVerdicts(judge));
    expect(got.score).toBeCloseTo(want.total, DIGITS);
    for (const band of ['hard', 'normal', 'easy'] as const) expect(got[band]).toBeCloseTo(want[band], DIGITS);
    expect(Object.keys(got.domains)).toEqual(['chat', 'code', 'safety']);
    for (const [name, domain] of Object.entries(want.domains)) {
      const scored = got.domains[name as 'chat']!;
      expect(scored.average).toBeCloseTo(domain.avg, DIGITS);
      for (const band of ['hard', 'normal', 'easy'] as const)
        expect(scored[band]).toBeCloseTo(domain[band], DIGITS);
      domain.cells.forEach((row, i) =>
        row.forEach((cell, j) => expect(scored.cells[i]![j]).toBeCloseTo(cell, DIGITS)),
      );
    }
  });

  test.each(REFERENCE_JUDGES)('RMB, %s', (judge) => {
    const want = expected[judge]!;
    const got = score('rmb', rmbVerdicts(judge));
    expect(got.score).toBeCloseTo(want['rmb overall'], DIGITS);
    for (const side of ['helpfulness', 'harmlessness'] as const) {
      const pairs = want[`rmb pairwise ${side}`] as {
        overall: number;
        n: number;
        categories: Record<string, number>;
      };
      expect(got.sections[`pairwise-${side}`]).toMatchObject({ count: pairs.n });
      expect(got.sections[`pairwise-${side}`]!.accuracy).toBeCloseTo(pairs.overall, DIGITS);
      const lists = want[`rmb bon ${side}`] as {
        bon_accuracy: number;
        pair_accuracy: number;
        n_lists: number;
        n_pairs: number;
        categories: Record<string, number>;
      };
      expect(got.sections[`bon-${side}`]).toMatchObject({ count: lists.n_lists });
      expect(got.sections[`bon-${side}`]!.accuracy).toBeCloseTo(lists.bon_accuracy, DIGITS);
      expect(got.bonPairs[`bon-${side}`]!.count).toBe(lists.n_pairs);
      for (const [name, accuracy] of Object.entries({ ...pairs.categories, ...lists.categories }))
        expect(got.subsets[name]!.accuracy, name).toBeCloseTo(accuracy, DIGITS);
    }
  });
});

describe.skipIf(noSharedData)(withSharedData('published scores'), () => {
  const published = noSharedData
    ? ({ models: {} } as Published)
    : sharedJson<Published>('published', 'rm-r1-scores.json');

  test.each(Object.entries(published.models))('RewardBench of %s from its subset counts', (_, model) => {
    const { correct, sections, average_of_sections, micro_accuracy } = model.rewardbench;
    const records = Object.entries(correct).flatMap(([subset, right]) =>
      verdictsWith({ benchmark: 'rewardbench', subset }, right, published.rewardbench_counts[subset]!),
    );
    const got = score('rewardbench', records);
    expect(got.missing).toBe(0);
    expect(got.score).toBeCloseTo(average_of_sections, DIGITS);
    expect(got.micro.accuracy).toBeCloseTo(micro_accuracy, DIGITS);
    for (const [name, accuracy] of Object.entries(sections))
      expect(got.sections[name]!.accuracy).toBeCloseTo(accuracy, DIGITS);
  });

  test.each(Object.entries(published.models))('RM-Bench of %s from its domain scores', (_, model) => {
    const records = Object.entries(model['rm-bench'].domains).flatMap(([domain, accuracy]) => {
      const prompts = published.rm_bench_counts[domain]!;
      const right = Math.round(accuracy * prompts * 9);
      return Array.from({ length: prompts * 9 }, (_, index): VerdictRecord => {
        const subset = domain !== 'safety' ? domain : index < 284 * 9 ? 'safety-refuse' : 'safety-response';
        const chosenStyle = (Math.floor(index / 3) % 3) as StyleLevel;
        const rejectedStyle = (index % 3) as StyleLevel;
        const id = String(Math.floor(index / 9));
        return {
          benchmark: 'rm-bench',
          subset,
          id,
          chosenStyle,
          rejectedStyle,
          gold: 'A',
          verdict: index < right ? 'A' : 'B',
        };
      });
    });
    const got = score('rm-bench', records);
    expect(got.missing).toBe(0);
    expect(got.score).toBeCloseTo(model['rm-bench'].total, DIGITS);
    for (const [domain, accuracy] of Object.entries(model['rm-bench'].domains))
      expect(got.domains[domain as 'chat']!.average).toBeCloseTo(accuracy, DIGITS);
  });

  test.each(Object.entries(published.models))('RMB of %s from its category scores', (_, { rmb }) => {
    const parts = [
      ['Pairwise Helpfulness', 'pairwise-helpfulness', 'pairwise'],
      ['Pairwise Harmlessness', 'pairwise-harmlessness', 'pairwise'],
      ['BoN Helpfulness', 'bon-helpfulness', 'bon_lists'],
      ['BoN Harmlessness', 'bon-harmlessness', 'bon_lists'],
    ] as const;
    const records = parts.flatMap(([name, , counts]) =>
      Object.entries(rmb[name]!.categories).flatMap(([subset, accuracy]) => {
        const total = published.rmb_counts[counts][subset]!;
        const verdicts = verdictsWith({ benchmark: 'rmb', subset }, Math.round(accuracy * total), total);
        return counts === 'pairwise'
          ? verdicts
          : verdicts.map((record) => ({ ...record, group: record.id, rival: '0' }));
      }),
    );
    const got = score('rmb', records);
    expect(got.score).toBeCloseTo(rmb.sections['Accuracy Averaged from Four Sections']!, DIGITS);
    for (const [name, section] of parts)
      expect(got.sections[section]!.accuracy).toBeCloseTo(rmb.sections[name]!, DIGITS);
  });

  test('RewardBench example of a scalar model: sections and average from subset accuracies', () => {
    const example = sharedJson<
      Record<
        string,
        {
          subsets: Record<string, number>;
          expected_by_reference_scorer: {
            sections: Record<string, number>;
            average_of_sections: number;
            micro_accuracy: number;
          };
        }
      >
    >('published', 'rewardbench-readme-example.json');
    const [model] = Object.values(example);
    const records = Object.entries(model!.subsets).flatMap(([subset, accuracy]) => {
      const total = published.rewardbench_counts[subset]!;
      return verdictsWith({ benchmark: 'rewardbench', subset }, Math.round(accuracy * total), total);
    });
    const got = score('rewardbench', records);
    const want = model!.expected_by_reference_scorer;
    expect(got.score).toBeCloseTo(want.average_of_sections, DIGITS);
    expect(got.micro.accuracy).toBeCloseTo(want.micro_accuracy, DIGITS);
    for (const [name, accuracy] of Object.entries(want.sections))
      expect(got.sections[name]!.accuracy).toBeCloseTo(accuracy, DIGITS);
  });

  test('ArmoRM on one category of RMB: every flag, and ties of scores lose', () => {
    interface Row {
      id: string;
      category: string;
      chosen_reward: number;
      rejected_reward: number;
      is_correct: number;
    }
    const rows = sharedLines<Row>('published', 'armorm-rmb-idea-development.jsonl');
    const records = rows.map((row, index): VerdictRecord => {
      const gold = index % 2 === 0 ? 'A' : 'B';
      const scores: [number, number] = [row.chosen_reward, row.rejected_reward];
      return {
        benchmark: 'rmb',
        subset: row.category,
        id: row.id,
        gold,
        // Scores decide; what a converter wrote here must not matter.
        verdict: 'none',
        scores: gold === 'A' ? scores : [scores[1], scores[0]],
      };
    });
    const rules = outcomeRules([]);
    expect(records.map((record) => outcomeOf(record, rules))).toEqual(rows.map((row) => row.is_correct));
    const got = score('rmb', records);
    expect(got.score).toBeCloseTo(356 / 456, DIGITS);
    expect(got.ties).toBe(8);
    expect(got.errors).toBe(0);
  });
});
