import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../infra/local/ports.js';
import { runCli } from './run-cli.js';

const dir = mkdtempSync(join(tmpdir(), 'rmr1-bad-input-'));
const file = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};
const good = JSON.stringify({ prompt: 'Is 3 more than 2?', chosen: 'Yes.', rejected: 'No.' });

beforeAll(() => {
  vi.stubEnv('RMR1_HOME', join(dir, 'home'));
  for (const name of [
    'OPENAI_API_KEY',
    'OPENAI_BASE_URL',
    'TEMPORAL_ADDRESS',
    'RMR1_DEBUG',
    'RMR1_ORACLE_URL',
  ]) {
    vi.stubEnv(name, undefined);
  }
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(dir, { recursive: true, force: true });
});

const cases: [string, string[], number, RegExp][] = [
  ['no such command', ['trian'], 2, /unknown command/],
  ['unknown option', ['run', '--dta', 'x'], 2, /unknown option '--dta'/],
  ['missing argument', ['approve'], 2, /missing required argument 'run'/],
  ['too many arguments', ['pause', 'a', 'b'], 2, /too many arguments/],
  ['unknown kind of worker', ['worker', 'gpu'], 2, /Unknown worker kind 'gpu'/],
  ['zero budget', ['run', '--data', 'x', '--budget', '0'], 2, /positive amount of USD/],
  ['unknown gate', ['run', '--gate', 'stf'], 2, /Unknown stage 'stf'/],
  ['setting without value', ['validate', '--recipe', 'scratch', '--set', 'grpo.steps'], 2, /key=value/],
  ['setting that is no YAML', ['validate', '--recipe', 'scratch', '--set', 'sft=['], 2, /not a YAML value/],
  ['nothing to validate', ['validate'], 2, /--data FILE, --recipe NAME/],
  ['file that is not there', ['validate', '--data', join(dir, 'none.jsonl')], 2, /does not exist/],
  ['directory', ['validate', '--data', dir], 2, /is a directory/],
  ['empty file', ['validate', '--data', file('empty.jsonl', '')], 2, /is empty/],
  [
    'broken JSON',
    ['run', '--oracle', 'local', '--data', file('json.jsonl', `${good}\n{"a":\n`)],
    2,
    /line 2: is not valid JSON/,
  ],
  [
    'missing field',
    ['validate', '--data', file('field.jsonl', '{"prompt":"q","chosen":"a"}\n')],
    2,
    /line 1.*rejected/,
  ],
  [
    'equal answers',
    ['validate', '--data', file('same.jsonl', '{"prompt":"q","chosen":"a","rejected":"a"}\n')],
    2,
    /the same/,
  ],
  ['damaged gzip', ['validate', '--data', file('gz.jsonl.gz', '\u001f\u008b\u0008broken')], 2, /gzip/],
  ['unknown recipe', ['run', '--recipe', 'scrach', '--data', 'x'], 2, /Unknown recipe 'scrach'/],
  [
    'two wrong fields',
    ['validate', '--recipe', 'scratch', '--set', 'sft.epochs=0', '--set', 'grpo.stpes=3'],
    2,
    /sft\.epochs.*stpes/,
  ],
  [
    'data for a recipe without',
    ['run', '--recipe', 'quickstart', '--data', file('good.jsonl', good)],
    2,
    /generates its own pairs/,
  ],
  ['recipe without its data', ['run', '--recipe', 'scratch'], 2, /give --data FILE/],
  ['missing key', ['run', '--data', file('key.jsonl', good)], 4, /OPENAI_API_KEY/],
  ['half a question', ['judge', '--model', dir, '--prompt', 'q', '--a', '1'], 2, /--b missing/],
  [
    'folder that is no model',
    ['judge', '--model', dir, '--prompt', 'q', '--a', '1', '--b', '2'],
    2,
    /not a model directory/,
  ],
];

describe('bad input', () => {
  it.each(cases)('%s: one message, no stack trace', async (_, args, code, message) => {
    const run = await runCli(...args);
    expect(run.err).toMatch(message);
    expect(run.code).toBe(code);
    expect(run.out).toBe('');
    expect(run.err).not.toMatch(/^\s+at /m);
    expect(run.err).not.toContain('defect');
  });

  it.each(cases)('%s: the same as JSON', async (_, args, code, message) => {
    const { out, code: ended } = await runCli(...args, '--json');
    const { error } = JSON.parse(out) as { error: { message: string; exitCode: number } };
    expect(error.message).toMatch(message);
    expect(error.exitCode).toBe(code);
    expect(ended).toBe(code);
  });
});

describe('an unreachable Temporal', () => {
  it.each([['runs'], ['watch', 'x'], ['pause', 'x'], ['cancel', 'x'], ['report', 'x'], ['lineage', 'x']])(
    '%s says so and what to do',
    async (...args) => {
      const address = `127.0.0.1:${await freePort()}`;
      const { code, err } = await runCli(...args, '--address', address);
      expect(code).toBe(3);
      expect(err).toBe(
        `rmr1: Cannot reach Temporal at ${address}. Start it with \`rmr1 up\`, or set TEMPORAL_ADDRESS to a running one.\n`,
      );
    },
  );
});
