/**
 * The training mix: a wrong column silently trains on the wrong answer, and a benchmark item in it makes every score
 * worthless. The data sets are small ones in the published layouts, from a server that speaks the hub's API.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { loadBenchmark } from '../../activities/dataset/benchmarks/load-benchmark.js';
import { buildMix } from '../../activities/dataset/mix/build-mix.js';
import { BenchmarkTexts } from '../../activities/dataset/mix/contamination.js';
import { MIX_SOURCES } from '../../activities/dataset/mix/sources.js';
import { run as mix } from '../../client/commands/mix.js';
import { readPairs } from '../../activities/dataset/read-pairs.js';
import { noSharedData, sharedPath, withSharedData } from '../benchmarks/shared-data.js';
import { startHubServer, type HubServer } from '../dataset/hub-server.js';

const dir = mkdtempSync(join(tmpdir(), 'rmr1-mix-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const turns = (question: string, answer: string) => [
  { role: 'user', content: question },
  { role: 'assistant', content: answer },
];
const SKYWORK = [
  ['magpie_pro_llama3.1', 'What is a lake?'],
  ['magpie_ultra', 'What is a river?'],
  ['offset_bias', 'What is a pond?'],
  ['helpsteer2', 'What is a brook?'],
  ['wildguard', 'How is a lock picked?'],
].map(([source, question]) => ({
  chosen: turns(question!, `Good: ${question}`),
  rejected: turns(question!, `Bad: ${question}`),
  source,
}));
const CODE = Array.from({ length: 30 }, (_, index) => ({
  input: `Write function number ${index}.`,
  accepted: `def f(): return ${index}`,
  rejected: `def f(): retrun ${index}`,
  ID: index,
}));
const MATHS = [2, 3, 5].map((n) => ({
  dataset: 'MATH',
  prompt: `What is ${n} + ${n}?`,
  initial_reason_steps: `Step 1: we add ${n} to itself.\nStep 2:`,
  full_chosen: ` the sum is ${2 * n}.`,
  full_rejected: ` the sum is ${2 * n + 1}.`,
  chosen: ' unused',
  rejected: ' unused too',
  answer: String(2 * n),
}));

let server: HubServer;
let caches = 0;
beforeEach(async () => {
  server = await serve(CODE);
});
afterEach(() => server.close());

function serve(code: readonly unknown[]): Promise<HubServer> {
  const [skywork, programs, maths] = MIX_SOURCES.map(({ hub }) => hub) as [string, string, string];
  return startHubServer(
    {
      repository: skywork,
      files: { 'data/train-00000-of-00001.parquet': parquet(SKYWORK), 'README.md': Buffer.from('#') },
    },
    {
      repository: programs,
      files: {
        'Code-Preference-Pairs.jsonl': Buffer.from(code.map((row) => `${JSON.stringify(row)}\n`).join('')),
      },
    },
    { repository: maths, files: { 'data/train-00000-of-00001.parquet': parquet(MATHS) } },
  );
}

function parquet(rows: readonly Record<string, unknown>[]): Buffer {
  const columnData = Object.keys(rows[0]!).map((name) => {
    const data = rows.map((row) => row[name]);
    return { name, data, type: typeof data[0] === 'string' ? ('STRING' as const) : ('JSON' as const) };
  });
  return Buffer.from(parquetWriteBuffer({ columnData }));
}

const hub = () => ({ endpoint: server.url, cache: join(dir, `cache-${caches++}`) });
const item = (question: string, chosen = 'x', rejected = 'y') => ({
  conversation: [{ role: 'user' as const, content: question }],
  chosen,
  rejected,
});

describe('the mix', () => {
  it('takes each data set by its own columns, without magpie_ultra, and says where pairs come from', async () => {
    const { pairs, sources } = await buildMix({ seed: 1, hub: hub() });
    const of = (category: string) => pairs.filter((pair) => pair.category === category);
    expect(pairs.map(({ conversation }) => conversation[0]!.content)).not.toContain('What is a river?');
    expect(sources.map(({ rows, leftOut, taken }) => [rows, leftOut, taken])).toEqual([
      [
        5,
        1,
        { 'chat/magpie_pro_llama3.1': 1, 'chat/offsetbias': 1, 'chat/helpsteer2': 1, 'safety/wildguard': 1 },
      ],
      [30, 0, { 'reasoning/code': 30 }],
      [3, 0, { 'reasoning/math': 3 }],
    ]);
    expect(of('reasoning/code')[0]).toMatchObject({
      chosen: expect.stringMatching(/return/) as string,
      rejected: expect.stringMatching(/retrun/) as string,
    });
    const two = of('reasoning/math').find(({ conversation }) =>
      conversation[0]!.content.startsWith('What is 2'),
    )!;
    expect(two.chosen).toBe('Step 1: we add 2 to itself.\nStep 2: the sum is 4.');
    expect(two.rejected).toBe('Step 1: we add 2 to itself.\nStep 2: the sum is 5.');
    expect(sources[0]!.from).toMatch(/^Skywork\/.*@[0-9a-f]{40}$/);
  });

  it('is what the paper has: 72,146 pairs', () => {
    const counts = MIX_SOURCES.flatMap(({ published }) => Object.values(published));
    expect(counts.reduce((sum, count) => sum + count)).toBe(72_146);
    for (const { take, published } of MIX_SOURCES)
      if (take !== undefined) expect(Object.values(published)).toEqual([take]);
  });

  it('is the same for the same seed, in another order for another one', async () => {
    const ids = async (seed: number) => (await buildMix({ seed, hub: hub() })).pairs.map(({ id }) => id);
    const first = await ids(1);
    expect(await ids(1)).toEqual(first);
    const other = await ids(2);
    expect(other).not.toEqual(first);
    expect([...other].sort()).toEqual([...first].sort());
    const { pairs } = await buildMix({ seed: 1, hub: hub() });
    expect(new Set(pairs.slice(0, 15).map(({ category }) => category)).size).toBeGreaterThan(1);
  });

  it('draws its share of a data set that has more', async () => {
    await server.close();
    server = await serve(
      Array.from({ length: 8100 }, (_, index) => ({ ...CODE[0], input: `Function ${index}` })),
    );
    const { sources } = await buildMix({ seed: 1, hub: hub() });
    expect(sources[1]).toMatchObject({ rows: 8100, taken: { 'reasoning/code': 8000 } });
  });

  it('refuses a data set whose columns have changed, naming it and the field', async () => {
    await server.close();
    server = await serve(CODE.map(({ input, accepted, rejected }) => ({ input, good: accepted, rejected })));
    await expect(buildMix({ seed: 1, hub: hub() })).rejects.toThrow(
      /Code-Preference-Pairs.*field "chosen": is missing/s,
    );
  });

  it('leaves out what a benchmark asks, in whatever spelling, and counts it', async () => {
    const benchmarks = new BenchmarkTexts([
      item('what is a  LAKE'),
      item('something else', 'x', MATHS[0]!.initial_reason_steps + MATHS[0]!.full_rejected),
    ]);
    const { pairs, sources } = await buildMix({ seed: 1, hub: hub(), benchmarks });
    expect(pairs).toHaveLength(4 + 30 + 3 - 2);
    expect(sources.map(({ contaminated }) => contaminated.question + contaminated.answer)).toEqual([1, 0, 1]);
    for (const pair of pairs) expect(benchmarks.sharedWith(pair)).toBeUndefined();
  });

  it('is written by the command as pairs that the pipeline reads back', async () => {
    const out = join(dir, 'pairs.jsonl');
    const before = { ...process.env };
    process.env.HF_ENDPOINT = server.url;
    process.env.RMR1_CACHE = join(dir, 'command-cache');
    const write = process.stdout.write.bind(process.stdout);
    let said = '';
    process.stdout.write = (text: string) => ((said += text), true);
    try {
      await mix({ out, seed: 1 });
    } finally {
      process.stdout.write = write;
      process.env = before;
    }
    expect(said).toMatch(/reasoning\/math +3 +10,000/);
    const { pairs, report } = await readPairs(out);
    expect(pairs).toEqual((await buildMix({ seed: 1, hub: hub() })).pairs);
    expect(report.duplicates).toBe(0);
    expect(readFileSync(out, 'utf8')).not.toMatch(/magpie_ultra/);
  });
});

describe('a benchmark text', () => {
  it('is found again in any case, spacing and punctuation, whole or as thirteen words in a row', () => {
    const word = fc.stringMatching(/^[a-z]{2,8}$/);
    const texts = fc.array(word, { minLength: 13, maxLength: 30 });
    fc.assert(
      fc.property(texts, fc.array(word, { maxLength: 5 }), (words, around) => {
        const known = new BenchmarkTexts([item(words.join(' '))]);
        const question = [...around, ...words.map((text) => text.toUpperCase()), ...around].join('  ');
        expect(known.sharedWith(item(`${question}!`))).toBeDefined();
      }),
    );
  });

  it('is not seen in texts that share fewer words, nor in a short answer that many give', () => {
    const known = new BenchmarkTexts([item('a b c d e f g h i j k l m', 'Yes.', 'No.')]);
    expect(known.sharedWith(item('a b c d e f g h i j k l and something else', 'Yes.'))).toBeUndefined();
  });
});

test.skipIf(noSharedData)(
  withSharedData(
    'no item of RM-Bench or RMB survives, and of the pairs of another data set hardly any is lost',
  ),
  async () => {
    const items = [
      ...(await loadBenchmark({ benchmark: 'rm-bench', from: [sharedPath('rm-bench')] })).items,
      ...(
        await loadBenchmark({
          benchmark: 'rmb',
          from: ['pairwise-helpfulness.jsonl.gz', 'pairwise-harmlessness.jsonl.gz'].map((name) =>
            sharedPath('rmb', name),
          ),
        })
      ).items,
    ];
    const known = new BenchmarkTexts(items);
    expect(items.length).toBeGreaterThan(2000);
    expect(items.filter((pair) => known.sharedWith(pair) === undefined)).toEqual([]);
    const { pairs } = await readPairs(sharedPath('hh-rlhf', 'harmless-base-test.mild.jsonl.gz'));
    const lost = pairs.filter((pair) => known.sharedWith(pair)).length;
    expect(lost / pairs.length).toBeLessThan(0.02);
  },
);
