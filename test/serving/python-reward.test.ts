/** The Python reward functions against `rmr1 serve` as a process: what TRL and verl call. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projectRoot } from '../../infra/environment.js';
import { judgeClient } from '../../client/index.js';

let server: ChildProcess;
let url: string;

beforeAll(async () => {
  const args = ['serve', '--judge', 'length', '--port', '0', '--json'];
  server = spawn(process.execPath, [join(projectRoot(), 'dist/client/cli.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: server.stdout! }), 'line')) as [string];
  ({ url } = JSON.parse(line) as { url: string });
});
afterAll(async () => {
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
});

it('rewards of the Python client are those of the server', async () => {
  const { stderr } = await promisify(execFile)('python3', ['-m', 'unittest'], {
    cwd: join(projectRoot(), 'infra/python'),
    env: { ...process.env, RMR1_JUDGE_URL: url, PYTHONDONTWRITEBYTECODE: '1' },
  });
  expect(stderr).toMatch(/^OK$/m);
  expect(stderr).not.toMatch(/skipped/);
});

it('the typed client asks the same server', async () => {
  const judge = judgeClient({ url });
  expect(await judge.pair({ prompt: 'p', a: 'short', b: 'long answer' })).toMatchObject({ verdict: 'b' });
  expect((await judge.group({ prompt: 'p', answers: ['a', 'aaa', 'aa'] })).ranking).toEqual([1, 2, 0]);
  expect((await judge.answer({ prompt: 'p', answer: 'x'.repeat(80) })).score).toBe(1);
  await expect(judge.group({ prompt: 'p', answers: ['one'] })).rejects.toMatchObject({
    type: 'InvalidInput',
  });
});
