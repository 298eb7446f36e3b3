/** The published benchmarks that have items and scorers here. */
export const BENCHMARKS = ['rewardbench', 'rm-bench', 'rmb'] as const;
export type BenchmarkName = (typeof BENCHMARKS)[number];
