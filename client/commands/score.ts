import { writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { loadBenchmark } from '../../activities/dataset/benchmarks/load-benchmark.js';
import { BENCHMARK_TITLES } from '../../activities/evaluation/report/benchmark/data.js';
import { buildBenchmarkReport } from '../../activities/evaluation/report/benchmark/build.js';
import { readVerdicts } from '../../activities/evaluation/read-verdicts.js';
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
  const data = options.data && (await loadBenchmark({ benchmark, from: options.data }));
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
    const page = buildBenchmarkReport({
      title: `${judge} on ${BENCHMARK_TITLES[benchmark]}`,
      madeAt: new Date().toISOString(),
      evaluations: [
        {
          judge,
          score,
          records,
          ...(data && { items: new Map(data.items.map((item) => [item.key, item])) }),
          ...(protocol && { protocol }),
        },
      ],
    });
    await writeFile(options.report, page);
    remark(`Report: ${resolve(options.report)}`);
  }
  print(options.json, score, () => scoreText(score));
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
