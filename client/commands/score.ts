import { loadBenchmark } from '../../activities/dataset/benchmarks/load-benchmark.js';
import { readVerdicts } from '../../activities/evaluation/read-verdicts.js';
import type { BenchmarkName, BenchmarkScore, Convention } from '../../benchmarks/index.js';
import { scoreVerdicts } from '../../benchmarks/index.js';
import { UserError } from '../../workflows/errors.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { scoreText } from '../score-text.js';

export interface ScoreCommandOptions extends SharedOptions {
  benchmark: BenchmarkName;
  verdicts: string[];
  data?: string[];
  convention?: Convention[];
  bothOrders?: boolean;
}

export async function run(options: ScoreCommandOptions): Promise<void> {
  const score = await scoreOf(options);
  print(options.json, score, () => scoreText(score));
}

async function scoreOf(options: ScoreCommandOptions): Promise<BenchmarkScore> {
  const { benchmark, convention: conventions = [] } = options;
  const data = options.data && (await loadBenchmark({ benchmark, from: options.data }));
  const { records, bothOrders } = await readVerdicts(options.verdicts, {
    benchmark,
    conventions,
    ...(options.bothOrders && { bothOrders: true }),
    ...(data && { items: data.items }),
  });
  try {
    return scoreVerdicts(benchmark, records, { conventions, bothOrders, ...(data && { items: data.items }) });
  } catch (error) {
    if (error instanceof RangeError)
      throw new UserError('BadData', `verdicts: ${error.message}`, { cause: error });
    throw error;
  }
}
