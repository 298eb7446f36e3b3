import { readVerdicts } from '../../activities/evaluation/read-verdicts.js';
import type { BenchmarkName, Convention } from '../../benchmarks/index.js';
import { scoreVerdicts } from '../../benchmarks/index.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { scoreText } from '../score-text.js';

export interface ScoreCommandOptions extends SharedOptions {
  benchmark: BenchmarkName;
  verdicts: string[];
  convention?: Convention[];
  bothOrders?: boolean;
}

export async function run(options: ScoreCommandOptions): Promise<void> {
  const { benchmark, convention: conventions = [] } = options;
  const { records, bothOrders } = await readVerdicts(options.verdicts, {
    benchmark,
    conventions,
    ...(options.bothOrders && { bothOrders: true }),
  });
  const score = scoreVerdicts(benchmark, records, { conventions, bothOrders });
  print(options.json, score, () => scoreText(score));
}
