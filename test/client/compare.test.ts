/** `rmr1 compare` on verdict files: what it says, the page with both judges, and mistakes. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { verdictsWith } from '../benchmarks/reference-verdicts.js';
import { runCli } from './run-cli.js';

const dir = mkdtempSync(join(tmpdir(), 'rmr1-compare-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const SUBSET = { benchmark: 'rewardbench' as const, subset: 'mt-bench-easy' };

/** A verdict file of a judge that has `right` of 28 right. */
function verdictFile(name: string, label: string, right: number, sha256 = 'ab'): string {
  const protocol = {
    schema: 'rmr1-verdicts/1',
    benchmark: 'rewardbench',
    judge: { kind: 'local', label },
    orders: { mode: 'one', seed: 0 },
    data: { source: `${sha256}.jsonl`, sha256, items: 28 },
    software: { rmr1: '0.1.0' },
    startedAt: '2026-01-01T00:00:00Z',
  };
  const lines = [{ protocol }, ...verdictsWith(SUBSET, right, 28)];
  const path = join(dir, name);
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return path;
}

const weak = verdictFile('weak.jsonl', 'weak', 7);
const strong = verdictFile('strong.jsonl', 'strong', 26);
const SENTENCE =
  /strong is better than weak by 67\.9 points \(95 % interval \+.+ to \+.+; McNemar p < 0\.001/;

describe('rmr1 compare', () => {
  it('calls judges by their names, says where they come from and ends with one sentence', async () => {
    const { code, out } = await runCli('compare', weak, strong);
    expect(code).toBe(0);
    expect(out).toContain(`A: weak (${weak})`);
    expect(out).toContain(`B: strong (${strong})`);
    expect(out.trim().split('\n').at(-1)).toMatch(SENTENCE);
    expect(out).not.toContain('Note:');
  });

  it('writes a page with both judges and the numbers that it prints', async () => {
    const page = join(dir, 'both.html');
    const { code, out } = await runCli('compare', weak, strong, '--json', '--report', page);
    expect(code).toBe(0);
    const { conclusion, score } = JSON.parse(out) as { conclusion: string; score: { pValue: number } };
    const text = readFileSync(page, 'utf8').replaceAll(/<script[\s\S]*?<\/script>/g, '');
    expect(text).toContain(conclusion.replaceAll('<', '&lt;'));
    expect(text).toContain('strong against weak on RewardBench');
    expect(text).toMatch(/<td>Score<\/td>\s*<td>25\.0<\/td>\s*<td>92\.9<\/td>\s*<td>\+67\.9<\/td>/);
    expect(score.pValue).toBeLessThan(0.001);
    expect(text).not.toMatch(/NaN|undefined|\[object/);
  });

  it('warns where the judges judged different data', async () => {
    const other = verdictFile('other.jsonl', 'other', 20, 'cd');
    const { code, out } = await runCli('compare', weak, other);
    expect(code).toBe(0);
    expect(out).toMatch(/Note: They judged different data \(ab\.jsonl; cd\.jsonl\)/);
  });

  it('keeps judges of one name apart by their files', async () => {
    const later = verdictFile('later.jsonl', 'weak', 20);
    const { out } = await runCli('compare', weak, later);
    expect(out).toContain(`${later} is better than ${weak}`);
  });

  it.each([
    ['a thing with itself', [weak, weak], /Both are .*weak\.jsonl: give two different/],
    [
      'a file that is not there',
      [weak, join(dir, 'strnog.jsonl')],
      /strnog\.jsonl does not exist: give a run .* or a verdict file/,
    ],
  ])('refuses %s', async (_name, args, message) => {
    const { code, err } = await runCli('compare', ...args);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});
