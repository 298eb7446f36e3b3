/** Where the items of a benchmark come from, and what was read. */
import type { BenchmarkItem, BenchmarkName } from '../../../benchmarks/index.js';

export interface BenchmarkSource {
  benchmark: BenchmarkName;
  /**
   * Files, folders, or hub data sets as `hub:owner/name[@revision][#path]`. Together they make up the benchmark or a
   * part of it.
   */
  from: readonly string[];
}

export interface LoadedBenchmark {
  benchmark: BenchmarkName;
  /** In the order of the sources; keys are unique. */
  items: BenchmarkItem[];
  /** Names of the sources, for the protocol: file names without folders, hub data sets with their commit. */
  source: string;
  /** Over keys, conversations and answers of all items in their order. */
  sha256: string;
}
