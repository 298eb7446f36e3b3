/** A worker that stands still must not leave a trainer at work: somebody else trains that stage by then. */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { EXIT, SUPERVISOR_SILENCE, type EngineEvent } from '../../engine/job.js';
import { MAIN, supervisedJob } from './support/jobs.js';

const root = mkdtempSync(join(tmpdir(), 'engine-silence-'));
const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(root, { recursive: true });
});

/** An engine with more steps than it will ever do, ended after 400 ms without a word. */
function start(name: string) {
  const dir = join(root, name);
  mkdirSync(dir);
  writeFileSync(join(dir, 'job.json'), JSON.stringify(supervisedJob(dir, { epochs: 100_000 })));
  const child = fork(MAIN, [join(dir, 'job.json')], {
    stdio: 'ignore',
    execArgv: [],
    env: { ...process.env, [SUPERVISOR_SILENCE]: '400' },
  });
  children.push(child);
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const trainedTo = (step: number) =>
    new Promise<void>((resolve) =>
      child.on('message', (event: EngineEvent) => {
        if (event.type === 'progress' && event.metrics.step >= step) resolve();
      }),
    );
  return { child, ended, trainedTo };
}

it('ends itself when its supervisor falls silent, and trains on as long as it hears it', async () => {
  const { child, ended, trainedTo } = start('heard');
  const sign = setInterval(() => child.send({ type: 'alive' }), 100);
  await trainedTo(1);
  const silenced = start('silenced');
  expect(await silenced.ended).toBe(EXIT.failed);
  // The first one has been at work all the while, with its supervisor's signs.
  expect(child.exitCode).toBeNull();
  await trainedTo(2);
  clearInterval(sign);
  expect(await ended).toBe(EXIT.failed);
});

/** As onnxruntime makes sessions: each blocks the thread beyond the limit, from an immediate, one after the other. */
const MAKES_SESSIONS = `
import { endWhenAbandoned } from ${JSON.stringify(pathToFileURL(join(dirname(MAIN), 'supervisor-silence.js')).href)};
endWhenAbandoned();
const blocked = (ms) => { for (const end = performance.now() + ms; performance.now() < end; ); };
for (let session = 0; session < 4; session++)
  await new Promise((resolve) => setImmediate(() => { blocked(1000); resolve(); }));
process.disconnect();
`;

it('is not taken for abandoned while it makes sessions that block it beyond the limit', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', MAKES_SESSIONS], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, [SUPERVISOR_SILENCE]: '400' },
  });
  children.push(child);
  const sign = setInterval(() => child.connected && child.send({ type: 'alive' }), 50);
  const code = await new Promise((resolve) => child.once('exit', resolve));
  clearInterval(sign);
  expect(code).toBe(0);
});
