/** What a report of benchmark evaluations is made from. */
import type {
  BenchmarkItem,
  BenchmarkName,
  BenchmarkScore,
  ComparisonOfRuns,
  VerdictProtocol,
  VerdictRecord,
} from '../../../../benchmarks/index.js';

/** One judge on one benchmark. */
export interface JudgedBenchmark {
  /** What tables call the judge; evaluations of one judge have the same. */
  judge: string;
  score: BenchmarkScore;
  records: readonly VerdictRecord[];
  /** By key; without them the report shows no conversations and no breakdown by length. */
  items?: ReadonlyMap<string, BenchmarkItem>;
  protocol?: VerdictProtocol;
  /** Mean outcome of a vote of 1, 2, … all samples; without it the curve is taken from the records' votes. */
  accuracyByVotes?: readonly number[];
}

export interface BenchmarkReportData {
  title: string;
  /** In the order in which judges are shown. */
  evaluations: readonly JudgedBenchmark[];
  /** ISO 8601. */
  madeAt: string;
  /** Of two judges on the items that both judged, the second against the first. */
  comparison?: ComparisonOfRuns & { names: readonly [string, string]; notes: readonly string[] };
}

export const BENCHMARK_TITLES: Record<BenchmarkName, string> = {
  rewardbench: 'RewardBench',
  'rm-bench': 'RM-Bench',
  rmb: 'RMB',
};

/** Judges in the order of their first evaluation. */
export function judgesOf({ evaluations }: BenchmarkReportData): string[] {
  return [...new Set(evaluations.map(({ judge }) => judge))];
}

/** What the evaluation is called where several stand together. */
export function nameOf({ judge, score }: JudgedBenchmark, data: BenchmarkReportData): string {
  const title = BENCHMARK_TITLES[score.benchmark];
  return judgesOf(data).length > 1 ? `${title} · ${judge}` : title;
}
