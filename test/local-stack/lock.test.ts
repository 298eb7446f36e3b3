import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { withLock } from '../../infra/local/lock.js';
import { temporaryDirectory } from './helpers.js';

let dir: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeEach(async () => {
  dir = await temporaryDirectory();
});
afterEach(() => dir.remove());

describe('a lock file', () => {
  test('lets one holder in at a time', async () => {
    const path = join(dir.path, 'a.lock');
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 8 }, () =>
        withLock(path, async () => {
          most = Math.max(most, ++inside);
          await new Promise((resolve) => setImmediate(resolve));
          inside -= 1;
        }),
      ),
    );
    expect(most).toBe(1);
    expect(await readdir(dir.path)).toEqual([]);
  });

  test('of a process that died is taken over', async () => {
    const path = join(dir.path, 'a.lock');
    const child = spawn('true');
    await once(child, 'exit');
    const holder = JSON.stringify({ pid: child.pid, startedAt: '1', file: `${path}.dead` });
    for (const name of [path, `${path}.dead`]) await writeFile(name, holder);
    expect(await withLock(path, () => Promise.resolve('in'))).toBe('in');
    expect(await readdir(dir.path)).toEqual([]);
  });

  test('of a number that now belongs to another process is taken over', async () => {
    const path = join(dir.path, 'a.lock');
    await writeFile(path, JSON.stringify({ pid: process.pid, startedAt: 'long ago' }));
    expect(await withLock(path, () => Promise.resolve('in'))).toBe('in');
  });

  test('is freed when the work fails', async () => {
    const path = join(dir.path, 'a.lock');
    await expect(withLock(path, () => Promise.reject(new Error('boom')))).rejects.toThrow('boom');
    expect(await withLock(path, () => Promise.resolve('in'))).toBe('in');
  });

  test('is not waited for after an abort', async () => {
    const path = join(dir.path, 'a.lock');
    const controller = new AbortController();
    await withLock(path, async () => {
      const waiting = withLock(path, () => Promise.resolve(), {
        signal: controller.signal,
        onWait: () => controller.abort(),
      });
      await expect(waiting).rejects.toMatchObject({ type: 'Interrupted' });
    });
  });
});
