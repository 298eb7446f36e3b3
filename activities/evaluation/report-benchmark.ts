/** The HTML page of a benchmark evaluation: scores, breakdowns and every judgement, beside the published systems. */
import type { BenchmarkItem, VerdictHeader, VerdictRecord } from '../../benchmarks/index.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { BenchmarkReportInput } from '../interface.js';
import { findStage, finishStage, type StageIdentity } from '../stage.js';
import { VERSIONS } from '../versions.js';
import { buildBenchmarkReport } from './report/benchmark/build.js';
import { BENCHMARK_TITLES, type JudgedBenchmark } from './report/benchmark/data.js';
import type { BenchmarkScores } from './score-benchmark.js';

/** One page for all completion budgets. The same verdicts give the same page. @throws StoreError. */
export async function reportBenchmark(
  store: ArtifactStore,
  { context, items, evaluations }: BenchmarkReportInput,
): Promise<ArtifactRef> {
  const began = Date.now();
  const identity: StageIdentity = {
    stage: 'report',
    inputs: {
      items,
      ...Object.fromEntries(
        evaluations.flatMap(({ verdicts, scores }, index) => [
          [`verdicts-${index}`, verdicts],
          [`scores-${index}`, scores],
        ]),
      ),
    },
    settings: {},
    versions: { report: VERSIONS.report },
    seed: 0,
  };
  const found = await findStage(store, identity);
  if (found?.outputs.report) return found.outputs.report;
  const judged = await judgedBenchmarks(store, items, evaluations);
  const { protocol, score } = judged[0]!;
  const { outputs } = await finishStage(store, identity, context, {
    outputs: {
      report: await store.putBytes(
        'report',
        buildBenchmarkReport({
          title: `${protocol!.judge.label} on ${BENCHMARK_TITLES[score.benchmark]}`,
          evaluations: judged,
          madeAt: judged.at(-1)!.protocol!.finishedAt ?? protocol!.startedAt,
        }),
      ),
    },
    metrics: {},
    cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: (Date.now() - began) / 1000 },
  });
  return outputs.report!;
}

async function judgedBenchmarks(
  store: ArtifactStore,
  items: ArtifactRef,
  evaluations: BenchmarkReportInput['evaluations'],
): Promise<JudgedBenchmark[]> {
  const byKey = new Map<string, BenchmarkItem>();
  for await (const line of store.openLines(items)) {
    const item = line as BenchmarkItem;
    byKey.set(item.key, item);
  }
  const judged: JudgedBenchmark[] = [];
  for (const { verdicts, scores } of evaluations) {
    const text = (await store.getBytes(scores)).toString('utf8');
    const { protocol, score, accuracyByVotes } = JSON.parse(text) as BenchmarkScores;
    const records: VerdictRecord[] = [];
    for await (const line of store.openLines(verdicts))
      if (!('protocol' in (line as Partial<VerdictHeader>))) records.push(line as VerdictRecord);
    const { label } = protocol.judge;
    const budget = protocol.sampling?.maxTokens;
    judged.push({
      judge: evaluations.length > 1 && budget !== undefined ? `${label}, ${budget} tokens` : label,
      score,
      records,
      items: byKey,
      protocol,
      ...(accuracyByVotes ? { accuracyByVotes } : {}),
    });
  }
  return judged;
}
