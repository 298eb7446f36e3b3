/** Copies on this machine may be wrong, too many or impossible; none of it may reach a stage. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sha256Hex } from '../../activities/artifacts/hashing.js';
import { LocalCache } from '../../activities/artifacts/local-cache.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rmr1-cache-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const cached = (sha256: string) => join(dir, 'cache', sha256.slice(0, 2), sha256);
/** A file of ten bytes in the cache, last used so many seconds ago. */
async function keep(cache: LocalCache, text: string, secondsAgo = 0): Promise<string> {
  const body = text.padEnd(10);
  const sha256 = sha256Hex(body);
  const path = join(dir, text);
  await writeFile(path, body);
  await cache.insert(sha256, path);
  const used = new Date(Date.now() - secondsAgo * 1000);
  if (existsSync(cached(sha256))) await utimes(cached(sha256), used, used);
  return sha256;
}

test('a sound copy is given, a damaged one is thrown away, one that is not there is no failure', async () => {
  const cache = new LocalCache(join(dir, 'cache'), 100);
  const target = join(dir, 'target');
  const sha256 = await keep(cache, 'one', 500);
  expect(await cache.copyTo(sha256, target)).toBe(true);
  expect(await readFile(target, 'utf8')).toBe('one       ');
  await writeFile(cached(sha256), 'another');
  expect(await cache.copyTo(sha256, join(dir, 'never'))).toBe(false);
  expect([existsSync(cached(sha256)), existsSync(join(dir, 'never'))]).toEqual([false, false]);
  expect(await cache.copyTo(sha256, join(dir, 'never'))).toBe(false);
});

test('what was used longest ago goes first, until the rest fits', async () => {
  const cache = new LocalCache(join(dir, 'cache'), 30);
  const [old, older, young] = [
    await keep(cache, 'old', 200),
    await keep(cache, 'older', 300),
    await keep(cache, 'young', 100),
  ];
  // Exactly as many bytes as there is room for.
  expect([old, older, young].map((sha256) => existsSync(cached(sha256)))).toEqual([true, true, true]);
  // Being used makes a copy young.
  expect(await cache.copyTo(older, join(dir, 'target'))).toBe(true);
  const newest = await keep(cache, 'newest');
  expect([old, older, young, newest].map((sha256) => existsSync(cached(sha256)))).toEqual([
    ...[false, true, true, true],
  ]);
});

test('what was just inserted stays, though it is too large or looks old', async () => {
  const cache = new LocalCache(join(dir, 'cache'), 5);
  const first = await keep(cache, 'first');
  expect(existsSync(cached(first))).toBe(true);
  const second = await keep(cache, 'second');
  expect([first, second].map((sha256) => existsSync(cached(sha256)))).toEqual([false, true]);
});

test('a copy that cannot be kept is none', async () => {
  const cache = new LocalCache(join(dir, 'cache'), 100);
  await cache.insert('ab'.repeat(32), join(dir, 'no such file'));
  expect(existsSync(dirname(cached('ab'.repeat(32))))).toBe(true);
  expect(existsSync(cached('ab'.repeat(32)))).toBe(false);
  await writeFile(join(dir, 'file'), 'x');
  const impossible = new LocalCache(join(dir, 'file'), 100);
  await impossible.insert('cd'.repeat(32), join(dir, 'file'));
  expect(await impossible.copyTo('cd'.repeat(32), join(dir, 'never'))).toBe(false);
  expect(await readFile(join(dir, 'file'), 'utf8')).toBe('x');
});
