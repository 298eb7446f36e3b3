import { writeStream } from '../../activities/artifacts/local-files.js';
import { loadBenchmark } from '../../activities/dataset/benchmarks/load-benchmark.js';
import { buildMix, type Mix } from '../../activities/dataset/mix/build-mix.js';
import { BenchmarkTexts } from '../../activities/dataset/mix/contamination.js';
import { BENCHMARKS, type BenchmarkItem, type BenchmarkName } from '../../benchmarks/index.js';
import type { Pair } from '../../judge/pair.js';
import { ClientError } from '../errors.js';
import type { SharedOptions } from '../options.js';
import { print, remark } from '../output.js';
import { formatTable } from '../progress/format.js';

export interface MixOptions extends SharedOptions {
  out: string;
  seed: number;
  against?: string[];
}

export async function run({ out, seed, against, json }: MixOptions): Promise<void> {
  const items = against ? await itemsOf(against) : undefined;
  if (!items) remark('No benchmark was named (--against): pairs that repeat benchmark items stay in.');
  const mix = await buildMix({ seed, ...(items ? { benchmarks: new BenchmarkTexts(items) } : {}) });
  await writePairs(out, mix.pairs);
  const { sources } = mix;
  const compared = items?.length ?? 0;
  print(json, { out, pairs: mix.pairs.length, compared, sources }, () => mixText(mix, out, compared));
}

/** `rm-bench=PATH` as items of that benchmark. */
async function itemsOf(against: string[]): Promise<BenchmarkItem[]> {
  const items: BenchmarkItem[] = [];
  for (const given of against) {
    const [name = '', ...rest] = given.split('=');
    const from = rest.join('=');
    if (!(BENCHMARKS as readonly string[]).includes(name) || !from) {
      throw new ClientError(
        'Usage',
        `--against ${given}: write NAME=SOURCE with one of ${BENCHMARKS.join(', ')}, such as rm-bench=data/rm-bench.`,
      );
    }
    items.push(...(await loadBenchmark({ benchmark: name as BenchmarkName, from: [from] })).items);
  }
  return items;
}

async function writePairs(path: string, pairs: readonly Pair[]): Promise<void> {
  const lines = function* (): Generator<string> {
    for (const { id, category, conversation, chosen, rejected } of pairs)
      yield `${JSON.stringify({ id, category, prompt: conversation, chosen, rejected })}\n`;
  };
  await writeStream(path, lines());
}

function mixText({ pairs, sources }: Mix, out: string, compared: number): string {
  const rows = sources.flatMap(({ taken, published, from }) =>
    [...new Set([...Object.keys(published), ...Object.keys(taken)])].map((category) => [
      category,
      count(taken[category] ?? 0),
      count(published[category] ?? 0),
      from,
    ]),
  );
  const sum = (of: (source: Mix['sources'][number]) => number) =>
    sources.reduce((total, source) => total + of(source), 0);
  const contaminated = sum(
    (source) => source.contaminated.question + source.contaminated.answer + source.contaminated.passage,
  );
  return [
    formatTable(['category', 'pairs', 'paper', 'from'], rows),
    `${count(pairs.length)} pairs in ${out}; left out: ${count(sum((source) => source.leftOut))} of magpie_ultra, ` +
      `${count(sum((source) => source.duplicates))} repeated, ${count(sum((source) => source.faulty))} faulty, ` +
      `${count(contaminated)} that share a text with ${count(compared)} benchmark items.`,
  ].join('\n');
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
