/** RM-R1's training mix from the hub: read, checked, cleared of benchmark items, drawn by seed. */
import type { Pair } from '../../../judge/pair.js';
import { BadDataError } from '../bad-data.js';
import { DATA_FILE, readRows } from '../benchmarks/read-rows.js';
import { HubDataset, type HubDatasetOptions } from '../benchmarks/hub.js';
import { contentKey, hashOf } from '../normalise.js';
import type { Line } from '../read-lines.js';
import { readPairs } from '../read-pairs.js';
import { firstInHashOrder } from '../split.js';
import type { BenchmarkTexts, Contamination } from './contamination.js';
import { MIX_SOURCES, type MixSource } from './sources.js';

export interface MixOptions {
  seed: number;
  /** What must not be trained on; absent: nothing is compared. */
  benchmarks?: BenchmarkTexts;
  hub?: HubDatasetOptions;
}

export interface MixedSource {
  name: string;
  /** `owner/name@commit`. */
  from: string;
  rows: number;
  /** Rows that the mix leaves out by design. */
  leftOut: number;
  /** Pairs that stand in the data twice, or in an earlier source. */
  duplicates: number;
  /** Left out because equal answers or other faults of content. */
  faulty: number;
  contaminated: Record<Contamination, number>;
  /** Pairs taken, by category; `published` has those of the paper. */
  taken: Record<string, number>;
  published: Record<string, number>;
}

export interface Mix {
  /** In a seeded order, whatever source they are from. */
  pairs: Pair[];
  sources: MixedSource[];
}

/**
 * Build the mix. The same data sets and seed give the same pairs in the same order.
 * @throws BadDataError naming data set, row and field; UserError `HubRefused`, `HubUnreachable`.
 */
export async function buildMix({ seed, benchmarks, hub = {} }: MixOptions): Promise<Mix> {
  const seen = new Set<string>();
  const pairs: Pair[] = [];
  const sources: MixedSource[] = [];
  for (const source of MIX_SOURCES) {
    const read = await readSource(source, hub);
    const contaminated = { question: 0, answer: 0, passage: 0 };
    let repeated = 0;
    const clean = read.pairs.filter((pair) => {
      const key = contentKey(pair);
      if (seen.has(key)) {
        repeated += 1;
        return false;
      }
      seen.add(key);
      const shared = benchmarks?.sharedWith(pair);
      if (shared) contaminated[shared] += 1;
      return shared === undefined;
    });
    const taken = firstInHashOrder(clean, source.take ?? Infinity, seed);
    pairs.push(...taken);
    sources.push({
      name: source.name,
      from: read.from,
      rows: read.rows,
      leftOut: read.leftOut,
      duplicates: read.duplicates + repeated,
      faulty: read.faulty,
      contaminated,
      taken: countBy(taken),
      published: source.published,
    });
  }
  return { pairs: shuffled(pairs, seed), sources };
}

/** Sources in turn: distillation takes the first pairs of the file, which must not all be of one kind. */
function shuffled(pairs: readonly Pair[], seed: number): Pair[] {
  return pairs
    .map((pair) => ({ pair, key: hashOf('mix', seed, pair.id) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ pair }) => pair);
}

async function readSource(source: MixSource, hub: HubDatasetOptions) {
  const dataset = await HubDataset.open(`hub:${source.hub}`, hub);
  const paths = dataset.paths.filter((path) => DATA_FILE.test(path)).sort();
  if (paths.length === 0) {
    throw new BadDataError(source.hub, [{ message: 'holds no .json, .jsonl or .parquet file on the hub' }]);
  }
  let rows = 0;
  let leftOut = 0;
  const lines = async function* (): AsyncGenerator<Line> {
    for (const path of paths) {
      for await (const { value } of readRows(await dataset.fetch(path), `${source.hub}/${path}`)) {
        rows += 1;
        const record = source.record(isObject(value) ? value : {});
        if (record) yield { number: rows, text: JSON.stringify(record) };
        else leftOut += 1;
      }
    }
  };
  const { pairs, report } = await readPairs(lines(), { source: source.hub });
  const faulty = Object.values(report.dropped).reduce((sum, count) => sum + count, 0);
  return { from: dataset.name, rows, leftOut, pairs, duplicates: report.duplicates, faulty };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function countBy(pairs: readonly Pair[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { category } of pairs) counts[category] = (counts[category] ?? 0) + 1;
  return counts;
}
