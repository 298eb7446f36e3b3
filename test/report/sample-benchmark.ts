/** A small evaluation of two judges with everything a benchmark report can show. */
import type {
  BenchmarkReportData,
  JudgedBenchmark,
} from '../../activities/evaluation/report/benchmark/data.js';
import type { BenchmarkItem, BenchmarkName, ItemIdentity, VerdictRecord } from '../../benchmarks/index.js';
import { goldPosition, itemKey, scoreVerdicts, VERDICT_FILE_SCHEMA } from '../../benchmarks/index.js';

/** Markup in the data: it must be shown as text and never run. */
export const HOSTILE = '</script><img src=x onerror="document.title=1"><b>bold</b>';

const identities: Record<BenchmarkName, ItemIdentity[]> = {
  rewardbench: ['alpacaeval-easy', 'mt-bench-hard', 'donotanswer', 'math-prm'].flatMap((subset) =>
    Array.from({ length: 20 }, (_, i) => ({ benchmark: 'rewardbench' as const, subset, id: String(i) })),
  ),
  'rm-bench': ['chat', 'safety-refuse'].flatMap((subset) =>
    ([0, 1, 2] as const).flatMap((chosenStyle) =>
      ([0, 1, 2] as const).map((rejectedStyle) => ({
        benchmark: 'rm-bench' as const,
        subset,
        id: '1',
        chosenStyle,
        rejectedStyle,
      })),
    ),
  ),
  rmb: [
    { benchmark: 'rmb', subset: 'Pairwise_set/Helpfulness/Chat', id: '1' },
    { benchmark: 'rmb', subset: 'BoN_set/Harmlessness/S1', id: '2', group: '2', rival: '0' },
    { benchmark: 'rmb', subset: 'BoN_set/Harmlessness/S1', id: '2', group: '2', rival: '1' },
  ],
};

function itemOf(identity: ItemIdentity, index: number): BenchmarkItem {
  return {
    key: itemKey(identity),
    ...identity,
    conversation: [{ role: 'user', content: `Question ${index} ${index === 3 ? HOSTILE : 'about badgers'}` }],
    chosen: 'right '.repeat(1 + (index % 5) * 3),
    rejected: 'wrong '.repeat(5),
  };
}

function recordOf(item: BenchmarkItem, index: number): VerdictRecord {
  const { benchmark, subset, id, chosenStyle, rejectedStyle, group, rival } = item;
  const gold = goldPosition(item.key, 1);
  const other = gold === 'A' ? 'B' : 'A';
  const verdict = index % 11 === 3 ? 'none' : index % 4 === 1 ? other : gold;
  return {
    ...{ benchmark, subset, id, gold, verdict },
    ...(chosenStyle !== undefined && { chosenStyle, rejectedStyle: rejectedStyle! }),
    ...(group !== undefined && { group, rival: rival! }),
    votes: [verdict, verdict, index % 2 === 0 ? verdict : other],
    text: `Reasoning ${index}: ${HOSTILE} so [[${verdict}]]`,
    inputTokens: 100 + index,
    outputTokens: 50,
    seconds: 0.5 + index / 100,
    costUsd: 0.001,
    finished: index !== 5,
  };
}

export function sampleBenchmarks(): BenchmarkReportData {
  const evaluations = (['rewardbench', 'rm-bench', 'rmb'] as const).flatMap((benchmark) => {
    const items = identities[benchmark].map(itemOf);
    const records = items.map(recordOf);
    const contrary = records.map(({ text: _, votes: _votes, ...record }): VerdictRecord => ({
      ...record,
      verdict: record.verdict === 'A' ? 'B' : 'A',
    }));
    const protocol: JudgedBenchmark['protocol'] = {
      schema: VERDICT_FILE_SCHEMA,
      benchmark,
      judge: { kind: 'local', label: 'Badger', modelSha256: 'ab'.repeat(32) },
      promptVersion: 'cor-v1',
      orders: { mode: 'one', seed: 1 },
      data: { source: 'sample', sha256: 'cd'.repeat(32), items: items.length },
      software: { rmr1: '0.1.0' },
      startedAt: '2026-11-25T12:00:00.000Z',
    };
    const byKey = new Map(items.map((item) => [item.key, item]));
    return [
      { judge: 'Badger', score: scoreVerdicts(benchmark, records), records, items: byKey, protocol },
      { judge: 'Contrary <i>', score: scoreVerdicts(benchmark, contrary), records: contrary },
    ];
  });
  return { title: 'Two judges', evaluations, madeAt: '2026-11-25T12:30:00.000Z' };
}
