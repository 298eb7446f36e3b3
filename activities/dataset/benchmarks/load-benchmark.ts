/** Benchmark items from files, folders and hub data sets. */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { BenchmarkItem, BenchmarkName } from '../../../benchmarks/index.js';
import { BadDataError, ProblemList } from '../bad-data.js';
import type { BenchmarkSource, LoadedBenchmark } from './benchmark-source.js';
import { parseRow } from './formats.js';
import type { HubDatasetOptions } from './hub.js';
import { HubDataset } from './hub.js';
import { DATA_FILE, problemAt, readRows } from './read-rows.js';
import type { Row } from './read-rows.js';

interface DataFile {
  path: string;
  /** In messages and in the protocol. */
  source: string;
}

/**
 * Load the items of a benchmark, or of the part that the sources hold.
 * @throws BadDataError naming file, line or index, and field of every problem of the first file that has any;
 * UserError `HubRefused` or `HubUnreachable`.
 */
export async function loadBenchmark(
  { benchmark, from }: BenchmarkSource,
  hub: HubDatasetOptions = {},
): Promise<LoadedBenchmark> {
  const items = new Map<string, { item: BenchmarkItem; source: string; row: Row }>();
  const names: string[] = [];
  for (const source of from) {
    const { name, files } = source.startsWith('hub:')
      ? await hubFiles(benchmark, source, hub)
      : await localFiles(benchmark, source);
    names.push(name);
    for (const file of files) await readFile(benchmark, file, items);
  }
  const hash = createHash('sha256');
  const loaded = [...items.values()].map(({ item }) => item);
  for (const { key, conversation, chosen, rejected } of loaded)
    hash.update(`${JSON.stringify([key, conversation, chosen, rejected])}\n`);
  return { benchmark, items: loaded, source: names.join(' + '), sha256: hash.digest('hex') };
}

async function readFile(
  benchmark: BenchmarkName,
  { path, source }: DataFile,
  items: Map<string, { item: BenchmarkItem; source: string; row: Row }>,
): Promise<void> {
  const problems = new ProblemList();
  let rows = 0;
  for await (const row of readRows(path, source)) {
    rows += 1;
    const parsed = parseRow(benchmark, row.value, { file: path });
    if (!parsed.ok) {
      for (const { field, message } of parsed.problems) problems.add(problemAt(row, field, message));
      continue;
    }
    for (const item of parsed.items) {
      const before = items.get(item.key);
      if (!before) items.set(item.key, { item, source, row });
      else {
        const where =
          before.row.line === undefined ? `at [${before.row.index}]` : `on line ${before.row.line}`;
        const place = before.source === source ? where : `${where} of ${before.source}`;
        problems.add(
          problemAt(row, '', `repeats ${item.key}, which stands ${place} already; leave one of them out`),
        );
        break;
      }
    }
  }
  problems.throwIfAny(source);
  if (rows === 0) throw new BadDataError(source, [{ message: `is empty; give records of ${benchmark}` }]);
}

async function localFiles(
  benchmark: BenchmarkName,
  path: string,
): Promise<{ name: string; files: DataFile[] }> {
  const folder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!folder) return { name: basename(path), files: [{ path, source: path }] };
  const chosen = dataFiles(benchmark, await readdir(path, { recursive: true }));
  if (chosen.length === 0)
    throw new BadDataError(path, [{ message: 'holds no .json, .jsonl or .parquet file; give the files' }]);
  return {
    name: basename(path),
    files: chosen.map((name) => ({ path: join(path, name), source: join(path, name) })),
  };
}

async function hubFiles(
  benchmark: BenchmarkName,
  reference: string,
  options: HubDatasetOptions,
): Promise<{ name: string; files: DataFile[] }> {
  const dataset = await HubDataset.open(reference, options);
  const chosen = dataFiles(benchmark, dataset.paths);
  if (chosen.length === 0)
    throw new BadDataError(reference, [{ message: 'has no .json, .jsonl or .parquet file there' }]);
  const files: DataFile[] = [];
  for (const path of chosen)
    files.push({ path: await dataset.fetch(path), source: `${dataset.name}/${path}` });
  return { name: dataset.name, files };
}

/** Data files in the order of their names; where an edition is known to be the benchmark, only it. */
function dataFiles(benchmark: BenchmarkName, paths: readonly string[]): string[] {
  const data = paths
    .filter(
      (path) => DATA_FILE.test(path) && !/(^|[/\\])(\.|dataset_infos?\.json$|MANIFEST\.json$)/.test(path),
    )
    .sort();
  const edition = EDITIONS[benchmark];
  const preferred = edition ? data.filter((path) => edition.test(basename(path))) : [];
  return preferred.length > 0 ? preferred : data;
}

/** RewardBench also ships a raw edition, RM-Bench its subsets apart and in one file. */
const EDITIONS: Partial<Record<BenchmarkName, RegExp>> = {
  rewardbench: /^filtered/,
  'rm-bench': /^total_dataset\./,
};
