import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import { expect, it } from 'vitest';
import { present } from '../../judge/pair.js';
import type { Pair } from '../../judge/pair.js';
import { buildPrompt } from '../../judge/prompt/build.js';

const entry = fileURLToPath(new URL('../../dist/infra/oracle/main.js', import.meta.url));
const pair: Pair = {
  id: '1',
  conversation: [{ role: 'user', content: 'Which city is the capital of Norway?' }],
  chosen: 'Oslo.',
  rejected: 'Bergen.',
  category: 'chat',
};

function start(args: string[], env: NodeJS.ProcessEnv = {}): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [entry, ...args], { env: { ...process.env, ...env } });
}

it('says where it listens, reads a label file, and ends on SIGTERM', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'oracle-'));
  const labels = join(dir, 'labels.jsonl');
  const ready = join(dir, 'ready.json');
  await writeFile(labels, `${JSON.stringify(pair)}\n`);
  const child = start(['--labels', labels, '--error-rate', '0'], {
    RMR1_READY_FILE: ready,
    RMR1_ORACLE_KEY: '',
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const { baseUrl } = JSON.parse(line.toString()) as { baseUrl: string };
  expect(JSON.parse(await readFile(ready, 'utf8'))).toMatchObject({ baseUrl });
  const client = new OpenAI({ baseURL: baseUrl, apiKey: 'local', maxRetries: 0 });
  const answer = await client.chat.completions.create({
    model: 'world-oracle-a',
    messages: buildPrompt('cor-v1', present(pair, 'B')),
  });
  expect(answer.choices[0]?.message.content).toContain('[[B]]');
  child.kill('SIGTERM');
  const [code] = (await once(child, 'exit')) as [number | null];
  expect(code).toBe(0);
});

it.each([
  [['--error-rate', 'much'], /--error-rate must be a number/],
  [['--labels', '/nowhere/labels.jsonl'], /labels\.jsonl/],
])('ends with one clear line for %j', async (args, message) => {
  const child = start(args);
  let errors = '';
  child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  expect(code).toBe(64);
  expect(errors).toMatch(message);
  expect(errors.trim().split('\n')).toHaveLength(1);
});
