import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isRunning } from '../../infra/local/process.js';
import { LocalStack } from '../../infra/local/stack.js';
import { StackFile, type StackState } from '../../infra/local/stack-file.js';
import { until } from '../support/until.js';
import { TEST_NAMESPACE, temporaryDirectory } from './helpers.js';

let home: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeEach(async () => {
  home = await temporaryDirectory();
});
afterEach(async () => {
  await new LocalStack(home.path).down();
  await home.remove();
});

/** Servers of the stack file once these have been spawned; they are not healthy yet. */
function spawned(...names: readonly (keyof StackState['servers'])[]): Promise<StackState['servers']> {
  const look = async () => {
    const { servers } = await new StackFile(home.path).read();
    return names.every((name) => servers[name]) && servers;
  };
  return until(`${names.join(' and ')} in the stack file`, look, 60, 5);
}

describe('a start-up that does not come to its end', () => {
  test('Ctrl-C in between stops what was started', async () => {
    const controller = new AbortController();
    const up = new LocalStack(home.path).up({ ...TEST_NAMESPACE, signal: controller.signal });
    const failed = expect(up).rejects.toMatchObject({ type: 'Interrupted' });
    const servers = await spawned('temporal');
    controller.abort();
    await failed;
    expect(isRunning(servers.temporal!)).toBe(false);
    expect(await new StackFile(home.path).read()).toMatchObject({ servers: {} });
  });

  test('one server that cannot start stops the other', async () => {
    await mkdir(join(home.path, 's3'), { recursive: true });
    // A file where SeaweedFS wants its data directory.
    await writeFile(join(home.path, 's3', 'data'), '');
    await expect(new LocalStack(home.path).up(TEST_NAMESPACE)).rejects.toThrow();
    expect(await new StackFile(home.path).read()).toMatchObject({ servers: {}, services: [] });
    expect(await new LocalStack(home.path).status()).toEqual([]);
  });

  test('a starter killed with -9 leaves servers that the next down finds', async () => {
    const script = `
      const { LocalStack } = await import(${JSON.stringify(new URL('../../dist/infra/local/stack.js', import.meta.url).href)});
      await new LocalStack(${JSON.stringify(home.path)}).up(${JSON.stringify(TEST_NAMESPACE)});
      setInterval(() => undefined, 60_000);
    `;
    const starter = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'inherit' });
    const servers = await Promise.race([
      spawned('temporal', 's3'),
      once(starter, 'exit').then(() => Promise.reject(new Error('the starter ended by itself'))),
    ]);
    starter.kill('SIGKILL');
    await once(starter, 'exit');
    expect(isRunning(servers.temporal!)).toBe(true);
    await new LocalStack(home.path).down();
    expect(isRunning(servers.temporal!)).toBe(false);
    expect(isRunning(servers.s3!)).toBe(false);
  });
});

describe('an external server', () => {
  test('that does not answer is named, and nothing else is left running', async () => {
    const up = new LocalStack(home.path).up({ ...TEST_NAMESPACE, temporalAddress: '127.0.0.1:9' });
    await expect(up).rejects.toMatchObject({
      type: 'TemporalUnreachable',
      message: expect.stringContaining('127.0.0.1:9') as string,
    });
    expect(await new StackFile(home.path).read()).toMatchObject({ servers: {} });
  });

  test('given as a URL is refused with the right form', async () => {
    const up = new LocalStack(home.path).up({ ...TEST_NAMESPACE, temporalAddress: 'http://127.0.0.1:7233' });
    await expect(up).rejects.toThrow(/without http/);
  });
});
