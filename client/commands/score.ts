import { writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { LoadedBenchmark } from '../../activities/dataset/benchmarks/benchmark-source.js';
import { readVerdicts } from '../../activities/evaluation/read-verdicts.js';
import type { JudgedBenchmark } from '../../activities/evaluation/report/benchmark/data.js';
import type {
  BenchmarkName,
  BenchmarkScore,
  Convention,
  ScoreOptions,
  VerdictRecord,
} from '../../benchmarks/index.js';
import { scoreVerdicts } from '../../benchmarks/index.js';
import { UserError } from '../../workflows/errors.js';
import type { SharedOptions } from '../options.js';
import { print, remark } from '../output.js';
import { scoreText } from '../score-text.js';

export interface ScoreCommandOptions extends SharedOptions {
  benchmark: BenchmarkName;
  verdicts: string[];
  data?: string[];
  convention?: Convention[];
  bothOrders?: boolean;
  report?: string;
}

export async function run(options: ScoreCommandOptions): Promise<void> {
  const { benchmark, convention: conventions = [] } = options;
  const data = options.data && (await loaded(benchmark, options.data));
  const { records, protocols, bothOrders } = await readVerdicts(options.verdicts, {
    benchmark,
    conventions,
    ...(options.bothOrders && { bothOrders: true }),
    ...(data && { items: data.items }),
  });
  const score = scored(benchmark, records, { conventions, bothOrders, ...(data && { items: data.items }) });
  if (options.report !== undefined) {
    const [protocol] = protocols;
    const judge = protocol?.judge.label ?? basename(options.verdicts[0]!).replace(/\.jsonl?(\.gz)?$/, '');
    await writeReport(options.report, {
      judge,
      score,
      records,
      ...(data && { items: new Map(data.items.map((item) => [item.key, item])) }),
      ...(protocol && { protocol }),
    });
  }
  print(options.json, score, () => scoreText(score));
}

// Loaders and report take longer to import than the scorer to run: only who asks for them waits for them.
async function loaded(benchmark: BenchmarkName, from: string[]): Promise<LoadedBenchmark> {
  const { loadBenchmark } = await import('../../activities/dataset/benchmarks/load-benchmark.js');
  return loadBenchmark({ benchmark, from });
}

async function writeReport(file: string, evaluation: JudgedBenchmark): Promise<void> {
  const { buildBenchmarkReport } = await import('../../activities/evaluation/report/benchmark/build.js');
  const { BENCHMARK_TITLES } = await import('../../activities/evaluation/report/benchmark/data.js');
  const title = `${evaluation.judge} on ${BENCHMARK_TITLES[evaluation.score.benchmark]}`;
  await writeFile(
    file,
    buildBenchmarkReport({ title, madeAt: new Date().toISOString(), evaluations: [evaluation] }),
  );
  remark(`Report: ${resolve(file)}`);
}

function scored(benchmark: BenchmarkName, records: VerdictRecord[], options: ScoreOptions): BenchmarkScore {
  try {
    return scoreVerdicts(benchmark, records, options);
  } catch (error) {
    if (error instanceof RangeError)
      throw new UserError('BadData', `verdicts: ${error.message}`, { cause: error });
    throw error;
  }
}
