/** What a Ray head leaves behind: with a stand-in for Ray's Python, which answers as a healthy head or ends at once. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { isRunning } from '../../infra/local/process.js';
import { removeScratch, startRay } from '../../infra/local/ray.js';
import { LocalStack } from '../../infra/local/stack.js';
import { StackFile } from '../../infra/local/stack-file.js';
import { TEST_NAMESPACE, temporaryDirectory } from './helpers.js';

/** Serves what the health check asks for, at the port and with a file in the folder that its arguments name. */
const HEALTHY = `
const { createServer } = require('node:http');
const { writeFileSync } = require('node:fs');
const argument = (name) => process.argv.find((each) => each.startsWith(name + '=')).slice(name.length + 1);
writeFileSync(argument('--temp-dir') + '/session', '');
createServer((request, response) => response.end('"ALIVE"')).listen(Number(argument('--dashboard-port')), '127.0.0.1');
`;

let home: Awaited<ReturnType<typeof temporaryDirectory>>;
let environment: string;
beforeEach(async () => {
  home = await temporaryDirectory();
  environment = join(home.path, 'environment');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await home.remove();
});

async function pretendPython(script: string): Promise<void> {
  const bin = join(environment, 'bin');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, 'head.cjs'), script);
  // What is given to Python's `-m` is of no interest to it.
  await writeFile(join(bin, 'python'), `#!/bin/sh\nexec "${process.execPath}" "${bin}/head.cjs" "$@"\n`);
  await chmod(join(bin, 'python'), 0o755);
}

const options = () => ({ environment, dir: join(home.path, 'ray'), cpus: 1, variables: {} });

test('a head that is stopped takes its folder with it', async () => {
  await pretendPython(HEALTHY);
  let scratch = '';
  const head = await startRay({ ...options(), onSpawn: (_process, _ports, dir) => void (scratch = dir) });
  expect(existsSync(join(scratch, 'session'))).toBe(true);
  await head.stop();
  expect(existsSync(scratch)).toBe(false);
});

test('so does one that does not come up', async () => {
  await pretendPython('process.exit(3)');
  let scratch = '';
  const start = startRay({ ...options(), onSpawn: (_process, _ports, dir) => void (scratch = dir) });
  await expect(start).rejects.toMatchObject({ type: 'ServerFailed' });
  expect(scratch).not.toBe('');
  expect(existsSync(scratch)).toBe(false);
});

test('taking a stack down, by what its file says, leaves nothing of the head', async () => {
  await pretendPython(HEALTHY);
  vi.stubEnv('RMR1_RAY_ENV', environment);
  await new LocalStack(home.path).up({ ...TEST_NAMESPACE, ray: true });
  const { servers } = await new StackFile(home.path).read();
  const { scratch = '' } = servers.ray!;
  expect(existsSync(join(scratch, 'session'))).toBe(true);
  await new LocalStack(home.path).down();
  expect(isRunning(servers.ray!)).toBe(false);
  expect(existsSync(scratch)).toBe(false);
});

test('a folder that is not named like one of ours is left alone', async () => {
  const dir = join(home.path, 'somebody-elses');
  await mkdir(dir);
  await writeFile(join(dir, 'file'), 'kept');
  await removeScratch(dir);
  expect(await readFile(join(dir, 'file'), 'utf8')).toBe('kept');
});
