/** Items of the benchmarks from every container and place that they are published in. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { BadDataError } from '../../activities/dataset/bad-data.js';
import { loadBenchmark } from '../../activities/dataset/benchmarks/load-benchmark.js';
import type { BenchmarkItem } from '../../benchmarks/index.js';
import { UserError } from '../../workflows/errors.js';
import { rmBenchVerdicts, rmbVerdicts } from '../benchmarks/reference-verdicts.js';
import { noSharedData, sharedPath, withSharedData } from '../benchmarks/shared-data.js';
import { until } from '../support/until.js';
import { COMMIT, startHubServer } from './hub-server.js';
import type { HubFiles, HubServer } from './hub-server.js';

const dir = mkdtempSync(join(tmpdir(), 'rmr1-benchmarks-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const file = (name: string, content: string | Uint8Array): string => {
  mkdirSync(join(dir, name, '..'), { recursive: true });
  writeFileSync(join(dir, name), content);
  return join(dir, name);
};
const lines = (rows: readonly unknown[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('');

const PROMPT = 'Say "hi".\u2028 Ünïcode';
const REWARD = {
  id: 30,
  prompt: PROMPT,
  chosen: 'hi',
  chosen_model: 'x',
  rejected: 'no',
  rejected_model: 'y',
  subset: 'hep-go',
};
const STYLED = {
  id: 8,
  prompt: PROMPT,
  chosen: ['a0', 'a1', 'a2'],
  rejected: ['b0', 'b1', 'b2'],
  error: 'x',
};
const PAIR = {
  pair_uid: '1',
  conversation_input: [
    { role: 'user', content: 'a', language: 'English' },
    { role: 'assistant', content: 'b', language: 'English' },
    { role: 'user', content: 'c', language: 'English' },
  ],
  chosen: { llm_name: 'x', answer: 'good' },
  reject: { llm_name: 'y', answer: 'bad' },
  category_path: 'Pairwise_set/Helpfulness/Chat/Discussion',
};
const LIST = {
  bon_uid: 7,
  conversation_input: PAIR.conversation_input,
  bon_best: { llm_name: 'x', answer: 'best' },
  loser_list: [{ answer: 'l0' }, { answer: 'l1' }],
  category_path: 'BoN_set/Harmlessness/S1',
};

describe('containers', () => {
  const parquet = (rows: (typeof REWARD)[]) =>
    new Uint8Array(
      parquetWriteBuffer({
        columnData: [
          { name: 'id', data: rows.map(({ id }) => BigInt(id)), type: 'INT64' },
          ...(['prompt', 'chosen', 'rejected', 'subset'] as const).map((name) => ({
            name,
            data: rows.map((row) => row[name]),
            type: 'STRING' as const,
          })),
        ],
      }),
    );

  const plain = lines([REWARD, { ...REWARD, id: 31 }]);

  test.each<[string, string | Uint8Array]>([
    ['a.jsonl', plain],
    ['b.jsonl.gz', gzipSync(plain)],
    ['c.json', JSON.stringify([REWARD, { ...REWARD, id: 31 }], null, 2)],
    ['d.json.gz', gzipSync(` \n${JSON.stringify([REWARD, { ...REWARD, id: 31 }])}`)],
    ['filtered-00000-of-00001.parquet', parquet([REWARD, { ...REWARD, id: 31 }])],
  ])('%s gives the same items', async (name, content) => {
    const loaded = await loadBenchmark({
      benchmark: 'rewardbench',
      from: [file(`containers/${name}`, content)],
    });
    expect(loaded.items.map(({ key }) => key)).toEqual(['rewardbench/hep-go/30', 'rewardbench/hep-go/31']);
    expect(loaded.items[0]).toMatchObject({
      conversation: [{ role: 'user', content: PROMPT }],
      chosen: 'hi',
      rejected: 'no',
    });
    expect(loaded.source).toBe(name);
    const from = [file('containers/plain.jsonl', plain)];
    expect(loaded.sha256).toBe(`${(await loadBenchmark({ benchmark: 'rewardbench', from })).sha256}`);
  });

  test('a damaged parquet file is named, not half read', async () => {
    const path = file('damaged.parquet', parquet([REWARD]).slice(0, -40));
    await expect(loadBenchmark({ benchmark: 'rewardbench', from: [path] })).rejects.toThrow(
      /damaged\.parquet: is a parquet file that cannot be read/,
    );
  });
});

describe('formats', () => {
  test('RM-Bench: nine comparisons a record, the subset from the domain or the name of the file', async () => {
    const from = [
      file('rm/safety-refuse_filtered.json', JSON.stringify([STYLED])),
      file('rm/more.jsonl', lines([{ ...STYLED, domain: 'chat' }])),
    ];
    const { items } = await loadBenchmark({ benchmark: 'rm-bench', from });
    expect(items).toHaveLength(18);
    expect(items[5]).toMatchObject({
      key: 'rm-bench/safety-refuse/8/1-2',
      chosen: 'a1',
      rejected: 'b2',
      chosenStyle: 1,
      rejectedStyle: 2,
    });
    expect(items[9]!.key).toBe('rm-bench/chat/8/0-0');
  });

  test('RMB: pairs, and lists as one comparison a loser', async () => {
    file('rmb/Pairwise_set/x.json', JSON.stringify([PAIR]));
    file('rmb/BoN_set/y.json', JSON.stringify([LIST]));
    const { items } = await loadBenchmark({ benchmark: 'rmb', from: [join(dir, 'rmb')] });
    expect(items.map(({ key }) => key)).toEqual([
      'rmb/BoN_set/Harmlessness/S1/7/0',
      'rmb/BoN_set/Harmlessness/S1/7/1',
      'rmb/Pairwise_set/Helpfulness/Chat/Discussion/1',
    ]);
    expect(items[1]).toMatchObject({ chosen: 'best', rejected: 'l1', group: '7', rival: '1' });
    expect(items[2]!.conversation).toEqual(
      PAIR.conversation_input.map(({ role, content }) => ({ role, content })),
    );
  });

  test.each<[string, string, 'rewardbench' | 'rm-bench' | 'rmb', unknown, RegExp]>([
    ['wrong benchmark', 'f1.jsonl', 'rewardbench', PAIR, /line 1, field "prompt": is missing/],
    ['no subset', 'f2.jsonl', 'rewardbench', { ...REWARD, subset: undefined }, /field "subset": is missing/],
    [
      'two styles',
      'chat.jsonl',
      'rm-bench',
      { ...STYLED, chosen: ['a', 'b'] },
      /field "chosen": must be a list of three/,
    ],
    ['untold subset', 'f3.jsonl', 'rm-bench', STYLED, /field "domain": is missing, and the file's name/],
    ['unknown subset', 'f4.jsonl', 'rm-bench', { ...STYLED, domain: 'safety' }, /"safety" is none of chat/],
    ['no losers', 'f5.jsonl', 'rmb', { ...LIST, loser_list: [] }, /field "loser_list": is empty/],
    [
      'last turn of the assistant',
      'f6.jsonl',
      'rmb',
      { ...PAIR, conversation_input: PAIR.conversation_input.slice(0, 2) },
      /must end with a turn of the user/,
    ],
    [
      'pair with the path of a list',
      'f7.jsonl',
      'rmb',
      { ...PAIR, category_path: 'BoN_set/x' },
      /must begin with "Pairwise_set/,
    ],
    ['no object', 'f8.jsonl', 'rmb', 3, /line 1: is not a JSON object/],
  ])('%s is refused with its place', async (_, name, benchmark, row, message) => {
    const path = file(`faults/${name}`, lines([row]));
    await expect(loadBenchmark({ benchmark, from: [path] })).rejects.toThrow(message);
  });

  test('a duplicated id names both places', async () => {
    const first = file('twice/a.jsonl', lines([REWARD]));
    const second = file('twice/b.json', JSON.stringify([{ ...REWARD, id: 1 }, REWARD]));
    await expect(loadBenchmark({ benchmark: 'rewardbench', from: [first, second] })).rejects.toThrow(
      /b\.json: field "\[1\]": repeats rewardbench\/hep-go\/30, which stands on line 1 of .*a\.jsonl already/,
    );
  });

  test('missing file, empty file, folder without data', async () => {
    mkdirSync(join(dir, 'nothing'), { recursive: true });
    for (const path of [join(dir, 'none.jsonl'), file('empty.jsonl', ''), join(dir, 'nothing')])
      await expect(loadBenchmark({ benchmark: 'rmb', from: [path] })).rejects.toThrow(BadDataError);
  });

  test('fuzz: any bytes are items or refused as bad data', async () => {
    const path = join(dir, 'fuzz.bin');
    const field = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom<unknown>(...Object.values({ ...PAIR, ...LIST, ...STYLED, ...REWARD })),
    );
    const names = [
      'id',
      'domain',
      'subset',
      'prompt',
      'chosen',
      'rejected',
      'reject',
      'pair_uid',
      'bon_uid',
      'bon_best',
      'loser_list',
      'category_path',
      'conversation_input',
    ];
    const row = fc.record(Object.fromEntries(names.map((name) => [name, field])), { requiredKeys: [] });
    const content = fc.oneof(
      fc.uint8Array(),
      fc.uint8Array().map((bytes) => Buffer.concat([Buffer.from('PAR1'), bytes])),
      fc.uint8Array().map((bytes) => Buffer.concat([Buffer.from([0x1f, 0x8b]), bytes])),
      fc.array(row, { maxLength: 3 }).map(lines),
      fc
        .tuple(fc.array(row, { maxLength: 3 }), fc.nat(200))
        .map(([rows, cut]) => JSON.stringify(rows).slice(0, cut || undefined)),
    );
    await fc.assert(
      fc.asyncProperty(
        content,
        fc.constantFrom('rewardbench' as const, 'rm-bench' as const, 'rmb' as const),
        async (bytes, benchmark) => {
          writeFileSync(path, bytes);
          try {
            const { items } = await loadBenchmark({ benchmark, from: [path] });
            expect(new Set(items.map(({ key }) => key)).size).toBe(items.length);
          } catch (error) {
            if (!BadDataError.isInstance(error)) throw error;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('hub', () => {
  const opened: HubServer[] = [];
  afterEach(async () => {
    for (const server of opened.splice(0)) await server.close();
  });
  let caches = 0;
  const hub = async (files: Partial<HubFiles> = {}) => {
    const server = await startHubServer({
      repository: 'allenai/reward-bench',
      files: {
        'README.md': Buffer.from('# readme'),
        'data/raw.jsonl': Buffer.from(lines([REWARD, REWARD])),
        'data/filtered.jsonl': Buffer.from(lines([REWARD, { ...REWARD, id: 31 }])),
      },
      ...files,
    });
    opened.push(server);
    const cache = join(dir, `cache-${(caches += 1)}`);
    const options = { endpoint: server.url, cache, retryDelays: [1, 2, 4], token: 'hf_x' };
    const load = (from = 'hub:allenai/reward-bench') =>
      loadBenchmark({ benchmark: 'rewardbench', from: [from] }, options);
    return { server, load, cache };
  };

  test('a data set by name: its filtered edition, kept by commit and not fetched twice', async () => {
    const { server, load } = await hub({ large: ['data/filtered.jsonl'], token: 'hf_x', pageSize: 2 });
    const first = await load();
    expect(first.items).toHaveLength(2);
    expect(first.source).toBe(`allenai/reward-bench@${COMMIT}`);
    expect(server.requests.map(({ path }) => path).filter((path) => path.startsWith('/cdn/'))).toHaveLength(
      1,
    );
    const before = server.requests.length;
    expect((await load()).sha256).toBe(first.sha256);
    expect(server.requests.slice(before).every(({ path }) => path.startsWith('/api/'))).toBe(true);
  });

  test('a file by its path, at a commit', async () => {
    const { load } = await hub({
      files: { 'x/one.jsonl': Buffer.from(lines([REWARD])), 'y/two.jsonl': Buffer.from('no') },
    });
    expect((await load(`hub:allenai/reward-bench@${COMMIT}#x`)).items).toHaveLength(1);
  });

  test.each([true, false])(
    'a download that breaks off goes on where it stopped (large: %s)',
    async (large) => {
      const { server, load, cache } = await hub(large ? { large: ['data/filtered.jsonl'] } : {});
      server.cutAfter = 40;
      server.beforeCut = () =>
        until('the first bytes to be written', () =>
          readdirSync(cache, { recursive: true }).some(
            (name) => String(name).endsWith('.part') && statSync(join(cache, String(name))).size >= 40,
          ),
        );
      expect((await load()).items).toHaveLength(2);
      expect(server.requests.map(({ range }) => range).filter(Boolean)).toContain('bytes=40-');
    },
  );

  test('a busy hub is asked again, in the end it is unreachable', async () => {
    const { server, load } = await hub();
    server.failures = 2;
    expect((await load()).items).toHaveLength(2);
    server.failures = 100;
    await expect(load()).rejects.toThrow(expect.objectContaining({ type: 'HubUnreachable' }) as Error);
  });

  test('damaged bytes are refused and not kept', async () => {
    const { load, cache } = await hub({ damaged: true });
    await expect(load()).rejects.toThrow(/arrived damaged/);
    expect(readdirSync(cache, { recursive: true }).filter((name) => String(name).includes('.jsonl'))).toEqual(
      [],
    );
  });

  test.each([
    ['unknown name', 'hub:allenai/nothing', 'HubRefused'],
    ['malformed name', 'hub:allenai', 'InvalidInput'],
  ])('%s', async (_, from, type) => {
    const { load } = await hub();
    await expect(load(from)).rejects.toThrow(expect.objectContaining({ type }) as Error);
  });

  test('a private data set without a token', async () => {
    const { load } = await hub({ token: 'another' });
    const error = await load().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(/HTTP 401.*HF_TOKEN/);
    expect((error as UserError).message).not.toContain('hf_x');
  });
});

describe.skipIf(noSharedData)(withSharedData('published files'), () => {
  /** The reference judge: more code points win; the place of the chosen answer is a hash of the key. */
  const longer = (item: BenchmarkItem, referenceKey: string) => {
    const hash = createHash('sha256').update(`pos:${referenceKey}`).digest('hex').slice(0, 8);
    const gold = parseInt(hash, 16) >= 2 ** 31 ? 'B' : 'A';
    const [c, r] = [[...item.chosen].length, [...item.rejected].length];
    const other = gold === 'A' ? 'B' : 'A';
    return { gold, verdict: c === r ? 'tie' : c > r ? gold : other };
  };
  const compare = (
    items: BenchmarkItem[],
    expected: ReturnType<typeof rmbVerdicts>,
    referenceKey: (item: BenchmarkItem) => string,
  ) => {
    const keyOf = ({ subset, id, group, rival, chosenStyle, rejectedStyle }: (typeof expected)[number]) =>
      [subset, (group ?? id).replace(/^\w+\//, ''), rival, chosenStyle, rejectedStyle].join(' ');
    const wanted = new Map(expected.map((record) => [keyOf(record), record]));
    for (const item of items) {
      const { gold, verdict } = wanted.get(keyOf(item as never))!;
      expect(longer(item, referenceKey(item)), item.key).toEqual({ gold, verdict });
    }
  };

  test('RM-Bench: the reference judge decides on our items as it did on the source files', async () => {
    const { items } = await loadBenchmark({ benchmark: 'rm-bench', from: [sharedPath('rm-bench')] });
    expect(items).toHaveLength((129 + 228 + 157) * 9);
    compare(
      items,
      rmBenchVerdicts('longer'),
      ({ subset, id, chosenStyle, rejectedStyle }) => `${subset}/${id}/${chosenStyle}/${rejectedStyle}`,
    );
  });

  test('RMB: likewise, pairs and lists', async () => {
    const { items } = await loadBenchmark({ benchmark: 'rmb', from: [sharedPath('rmb')] });
    expect(items).toHaveLength(383 + 397 + 891 + 640);
    compare(items, rmbVerdicts('longer'), ({ subset, id, group, rival }) =>
      group === undefined ? `pw/${id}` : `bon/${subset}/${group}/${rival}`,
    );
  });
});
