/** Verdict files of strangers: every fault is named with line and field, and nothing is scored on top of it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BadDataError } from '../../activities/dataset/bad-data.js';
import { readVerdicts } from '../../activities/evaluation/read-verdicts.js';
import type { ReadVerdictsOptions } from '../../activities/evaluation/read-verdicts.js';
import type { VerdictRecord } from '../../benchmarks/index.js';
import { RECORD_VERDICTS, scoreVerdicts, VERDICT_FILE_SCHEMA } from '../../benchmarks/index.js';

const RECORD = { benchmark: 'rewardbench', subset: 'hep-go', id: 'HumanEval/1', gold: 'A', verdict: 'B' };
const CELL = {
  benchmark: 'rm-bench',
  subset: 'chat',
  id: 8,
  chosenStyle: 0,
  rejectedStyle: 2,
  gold: 'B',
  verdict: 'B',
};
const PROTOCOL = {
  schema: VERDICT_FILE_SCHEMA,
  benchmark: 'rewardbench',
  judge: { kind: 'length', label: 'Longer' },
  orders: { mode: 'both', seed: 1 },
  data: { source: 'filtered.json', sha256: 'f'.repeat(64), items: 2985 },
  software: { rmr1: '0.1.0' },
  startedAt: '2026-11-25T12:00:00Z',
};

const linesOf = (values: readonly unknown[]) =>
  values.map((value, index) => ({
    number: index + 1,
    text: typeof value === 'string' ? value : JSON.stringify(value),
  }));
const read = (
  values: readonly unknown[],
  options: ReadVerdictsOptions = { benchmark: 'rewardbench' },
  ...more: unknown[][]
) =>
  readVerdicts(
    [
      { source: 'a.jsonl', lines: linesOf(values) },
      ...more.map((lines) => ({ source: 'b.jsonl', lines: linesOf(lines) })),
    ],
    options,
  );

describe('faults', () => {
  test.each<[string, unknown[], ReadVerdictsOptions, RegExp]>([
    [
      'gold missing',
      [RECORD, { ...RECORD, id: 2, gold: undefined }],
      { benchmark: 'rewardbench' },
      /line 2, field "gold": is missing/,
    ],
    [
      'subset missing',
      [{ ...RECORD, subset: undefined }],
      { benchmark: 'rewardbench' },
      /line 1, field "subset": is missing/,
    ],
    [
      'unknown subset',
      [{ ...RECORD, subset: 'hep-perl' }],
      { benchmark: 'rewardbench' },
      /"hep-perl" is no subset of RewardBench/,
    ],
    [
      'wrong benchmark file',
      [CELL],
      { benchmark: 'rewardbench' },
      /line 1, field "benchmark": is "rm-bench", not "rewardbench"/,
    ],
    ['mixed benchmarks', [RECORD, CELL], { benchmark: 'rewardbench' }, /line 2, field "benchmark"/],
    [
      'duplicate',
      [RECORD, '', RECORD],
      { benchmark: 'rewardbench' },
      /line 3: .*HumanEval\/1 was judged on line 1 already; keep one/,
    ],
    [
      'other order unasked',
      [RECORD, { ...RECORD, gold: 'B' }],
      { benchmark: 'rewardbench' },
      /line 2: .*--both-orders/,
    ],
    [
      'duplicate of one order',
      [RECORD, { ...RECORD, gold: 'B' }, RECORD],
      { benchmark: 'rewardbench', bothOrders: true },
      /line 3: .*line 1 already; keep one/,
    ],
    [
      'unknown item',
      [RECORD],
      { benchmark: 'rewardbench', items: [] },
      /line 1: the data has no item rewardbench\/hep-go\/HumanEval\/1/,
    ],
    [
      'style missing',
      [{ ...CELL, chosenStyle: undefined }],
      { benchmark: 'rm-bench' },
      /field "chosenStyle": is missing/,
    ],
    [
      'style of another benchmark',
      [{ ...RECORD, chosenStyle: 1 }],
      { benchmark: 'rewardbench' },
      /field "chosenStyle": belongs to RM-Bench/,
    ],
    [
      'list without rival',
      [{ ...RECORD, benchmark: 'rmb', subset: 'BoN_set/Helpfulness/x', group: 1 }],
      { benchmark: 'rmb' },
      /field "rival": is missing/,
    ],
    ['no path of RMB', [{ ...RECORD, benchmark: 'rmb' }], { benchmark: 'rmb' }, /no category path of RMB/],
    [
      'unknown field',
      [{ ...RECORD, winner: 'A' }],
      { benchmark: 'rewardbench' },
      /field "winner": is not a field/,
    ],
    ['broken JSON', ['{"benchmark": "rew'], { benchmark: 'rewardbench' }, /line 1: is not valid JSON/],
    ['a list', ['[1]'], { benchmark: 'rewardbench' }, /is not a JSON object/],
    [
      'header of another benchmark',
      [{ protocol: { ...PROTOCOL, benchmark: 'rmb' } }],
      { benchmark: 'rewardbench' },
      /protocol.benchmark/,
    ],
    [
      'unknown field in the header',
      [{ protocol: { ...PROTOCOL, judge: { kind: 'x', label: 'x', key: 's' } } }],
      { benchmark: 'rewardbench' },
      /protocol.judge.key/,
    ],
    ['nothing', ['', ' '], { benchmark: 'rewardbench' }, /a.jsonl: is empty/],
  ])('%s', async (_, lines, options, message) => {
    await expect(read(lines, options)).rejects.toThrow(message);
  });

  test('a duplicate in another file names both', async () => {
    await expect(read([RECORD], { benchmark: 'rewardbench' }, [RECORD])).rejects.toThrow(
      /b\.jsonl: line 1: .*line 1 of a\.jsonl/,
    );
  });
});

test('nulls are absent fields, ids may be numbers, the header is kept and opens both orders', async () => {
  const verdicts = await read([
    { protocol: PROTOCOL },
    { ...RECORD, id: 7, scores: null, group: null },
    { ...RECORD, id: '7', gold: 'B' },
  ]);
  expect(verdicts.bothOrders).toBe(true);
  expect(verdicts.protocols[0]?.judge.label).toBe('Longer');
  expect(verdicts.records.map(({ id, gold }) => [id, gold])).toEqual([
    ['7', 'A'],
    ['7', 'B'],
  ]);
});

describe('fuzz', () => {
  const field = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom('A', 'B', 'tie', 'hep-go', 'rewardbench', 'rmb', 'chat', 'BoN_set/Harmlessness/S1', 0, 2),
  );
  const record = fc.record(
    Object.fromEntries(
      ['benchmark', 'subset', 'id', 'gold', 'verdict', 'scores', 'group', 'rival', 'chosenStyle', 'x'].map(
        (name) => [name, field],
      ),
    ),
    { requiredKeys: [] },
  );
  const line = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    record.map((value) => JSON.stringify(value)),
    fc.tuple(record, fc.nat()).map(([value, cut]) => JSON.stringify(value).slice(0, cut % 80)),
  );

  test('any text is scored or refused as bad data, never anything else', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 6 }),
        fc.constantFrom('rewardbench' as const, 'rm-bench' as const, 'rmb' as const),
        async (lines, benchmark) => {
          try {
            const { records } = await read(lines, { benchmark });
            expect(scoreVerdicts(benchmark, records).score).toBeGreaterThanOrEqual(0);
          } catch (error) {
            if (!BadDataError.isInstance(error)) throw error;
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  const subsets = [
    'Pairwise_set/Helpfulness/x',
    'Pairwise_set/Harmlessness/S1',
    'BoN_set/Harmlessness/S2',
    'BoN_set/Helpfulness/y',
  ];
  const good = fc.uniqueArray(
    fc
      .record({
        subset: fc.constantFrom(...subsets),
        id: fc.nat(30),
        rival: fc.nat(3),
        gold: fc.constantFrom('A' as const, 'B' as const),
        verdict: fc.constantFrom(...RECORD_VERDICTS),
      })
      .map(({ rival, ...rest }): VerdictRecord => ({
        ...rest,
        benchmark: 'rmb',
        id: String(rest.id),
        ...(rest.subset.startsWith('BoN') && { group: String(rest.id), rival: String(rival) }),
      })),
    { minLength: 1, maxLength: 40, selector: ({ subset, id, rival }) => `${subset} ${id} ${rival}` },
  );

  test('what is written is read again, and neither order of lines nor of places changes the score', async () => {
    await fc.assert(
      fc.asyncProperty(good, async (records) => {
        const back = await read(records, { benchmark: 'rmb' });
        expect(back.records).toEqual(records);
        const mirrored = records.map((record): VerdictRecord => ({
          ...record,
          gold: record.gold === 'A' ? 'B' : 'A',
          verdict: record.verdict === 'A' ? 'B' : record.verdict === 'B' ? 'A' : record.verdict,
        }));
        const { score } = scoreVerdicts('rmb', records);
        expect(scoreVerdicts('rmb', mirrored).score).toBeCloseTo(score, 12);
        expect(scoreVerdicts('rmb', [...records].reverse()).score).toBeCloseTo(score, 12);
      }),
      { numRuns: 100 },
    );
  });

  test('a right verdict more never lowers the score', async () => {
    fc.assert(
      fc.property(good, fc.nat(), (records, pick) => {
        const mended = records.map((record, index) =>
          index === pick % records.length ? { ...record, verdict: record.gold } : record,
        );
        expect(scoreVerdicts('rmb', mended).score).toBeGreaterThanOrEqual(
          scoreVerdicts('rmb', records).score - 1e-12,
        );
      }),
      { numRuns: 200 },
    );
  });
});
