import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { verdictsWith } from '../benchmarks/reference-verdicts.js';
import { runCli } from './run-cli.js';

const dir = mkdtempSync(join(tmpdir(), 'rmr1-score-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const linesOf = (records: readonly unknown[]) =>
  records.map((record) => `${JSON.stringify(record)}\n`).join('');
const file = (name: string, content: string | Buffer): string => {
  writeFileSync(join(dir, name), content);
  return join(dir, name);
};
const chat = verdictsWith({ benchmark: 'rewardbench', subset: 'mt-bench-easy' }, 21, 28);
const hard = verdictsWith({ benchmark: 'rewardbench', subset: 'mt-bench-hard' }, 0, 37);

describe('rmr1 score', () => {
  const plain = file('chat.jsonl', linesOf(chat));
  const gzip = file('hard.jsonl.gz', gzipSync(linesOf(hard)));

  it('joins files and prints one JSON document', async () => {
    const { code, out } = await runCli(
      'score',
      '--benchmark',
      'rewardbench',
      '--json',
      '--verdicts',
      plain,
      gzip,
    );
    expect(code).toBe(0);
    const score = JSON.parse(out) as Record<string, unknown>;
    expect(score).toMatchObject({
      benchmark: 'rewardbench',
      score: 0.375,
      items: 65,
      missing: 2_920,
      errors: 0,
      sections: { Chat: { accuracy: 0.75, count: 28 }, 'Chat Hard': { accuracy: 0, count: 37 } },
      subsets: { 'mt-bench-easy': { accuracy: 0.75, count: 28 } },
    });
  });

  it('says in text what is missing and which rules were applied', async () => {
    const { code, out } = await runCli(
      ...['score', '--benchmark', 'rewardbench', '--verdicts', plain, '--convention', 'errors-half'],
    );
    expect(code).toBe(0);
    expect(out).toContain('RewardBench: 75.0 %');
    expect(out).toContain('2,957 missing');
    expect(out).toMatch(/Missing: math-prm 447, xstest-should-respond 250/);
    expect(out).toContain('Rule: errors-half');
  });

  it.each([
    ['another benchmark', ['--benchmark', 'rmb', '--verdicts', plain], /line 1, field "benchmark"/],
    [
      'a file twice',
      ['--benchmark', 'rewardbench', '--verdicts', plain, plain],
      /chat\.jsonl cannot be used, 28 problems/,
    ],
    ['no file', ['--benchmark', 'rewardbench'], /--verdicts/],
    ['no such benchmark', ['--benchmark', 'mmlu', '--verdicts', plain], /rewardbench, rm-bench, rmb/],
    ['no such convention', ['--benchmark', 'rmb', '--verdicts', plain, '--convention', 'x'], /errors-half/],
    ['file that is not there', ['--benchmark', 'rmb', '--verdicts', join(dir, 'none')], /does not exist/],
  ])('%s ends with exit code 2 and one message', async (_, args, message) => {
    const { code, err } = await runCli('score', ...args);
    expect(err).toMatch(message);
    expect(code).toBe(2);
  });
});

describe('rmr1 score --data', () => {
  const pair = (id: number) => ({
    pair_uid: String(id),
    category_path: 'Pairwise_set/Helpfulness/x',
    conversation_input: [{ role: 'user', content: 'q' }],
    chosen: { answer: 'a' },
    reject: { answer: 'b' },
  });
  const list = {
    bon_uid: '9',
    category_path: 'BoN_set/Helpfulness/x',
    conversation_input: [{ role: 'user', content: 'q' }],
    bon_best: { answer: 'a' },
    loser_list: [{ answer: 'b' }, { answer: 'c' }],
  };
  const data = file('rmb.jsonl', linesOf([pair(1), pair(2), list]));
  const verdict = { benchmark: 'rmb', subset: 'Pairwise_set/Helpfulness/x', id: 1, gold: 'A', verdict: 'A' };
  const duel = { ...verdict, subset: 'BoN_set/Helpfulness/x', id: 9, group: 9, rival: 0 };
  const score = (records: unknown[]) =>
    runCli(
      'score',
      '--benchmark',
      'rmb',
      '--json',
      '--data',
      data,
      '--verdicts',
      file('v.jsonl', linesOf(records)),
    );

  it('counts what is missing of the data', async () => {
    const { out } = await score([verdict, duel]);
    expect(JSON.parse(out)).toMatchObject({
      score: 1,
      items: 2,
      missing: 2,
      missingBy: { 'Pairwise_set/Helpfulness/x': 1, 'BoN_set/Helpfulness/x': 1 },
      sections: { 'pairwise-helpfulness': { accuracy: 1, count: 1 } },
    });
  });

  it.each([
    [
      'an id that the data does not have',
      [{ ...verdict, id: 3 }],
      /line 1: the data has no item rmb\/Pairwise_set\/Helpfulness\/x\/3/,
    ],
    ['nothing but parts of lists', [duel], /no best-of-N list has a verdict on every loser/],
  ])('%s is an error', async (_, records, message) => {
    const { code, err } = await score(records);
    expect(err).toMatch(message);
    expect(code).toBe(2);
  });
});

it('rmr1 score --report writes a page that names the judge by its file', async () => {
  const page = join(dir, 'page.html');
  const verdicts = file('badger.jsonl', linesOf(chat));
  const { code, err } = await runCli(
    ...['score', '--benchmark', 'rewardbench', '--verdicts', verdicts, '--report', page],
  );
  expect(code).toBe(0);
  expect(err).toContain(page);
  expect(readFileSync(page, 'utf8')).toContain('<title>badger on RewardBench</title>');
});
