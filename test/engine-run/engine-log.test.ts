/** The engine's log is for people: training does not depend on it. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startEngine } from '../../activities/training/engine-process.js';
import { until } from '../support/until.js';
import { supervisedJob } from './support/jobs.js';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'engine-log-'));
  // Node.js says on stderr where the engine calls an end.
  vi.stubEnv('NODE_OPTIONS', '--trace-exit');
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true, force: true });
});

async function train(name: string): Promise<{ status: string }> {
  const job = supervisedJob(join(root, name), { epochs: 1 });
  const engine = await startEngine(job, join(root, name), () => undefined);
  return engine.ended;
}

test('what the engine says is kept', async () => {
  expect(await train('kept')).toMatchObject({ status: 'done' });
  const path = join(root, 'kept', 'engine.log');
  await until('the end in the log', async () => /Exited the environment/.test(await readFile(path, 'utf8')));
});

test.skipIf(!existsSync('/dev/full'))('where no log can be written, the engine trains on', async () => {
  await mkdir(join(root, 'full'));
  await symlink('/dev/full', join(root, 'full', 'engine.log'));
  expect(await train('full')).toMatchObject({ status: 'done' });
});
