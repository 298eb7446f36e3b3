/** Read a benchmark's items once and store them, so that every shard reads the same lines. */
import type { BenchmarkName } from '../../benchmarks/index.js';
import type { PreparedItems } from '../../workflows/benchmark-input.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { loadBenchmark } from '../dataset/benchmarks/load-benchmark.js';

/** @throws BadDataError naming file, line and field; UserError for the hub; StoreError. */
export async function prepareBenchmark(
  store: ArtifactStore,
  { benchmark, data }: { benchmark: BenchmarkName; data: string[] },
): Promise<PreparedItems> {
  const { items, source, sha256 } = await loadBenchmark({ benchmark, from: data });
  return { items: await store.putLines('items', items), count: items.length, source, sha256 };
}
