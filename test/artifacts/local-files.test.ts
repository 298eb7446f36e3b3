/** What is written here is whole or not there, and a full disk is called one. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hashFile, hexToBase64, sha256Hex } from '../../activities/artifacts/hashing.js';
import { onLocalDisk, writeAtomically, writeStream } from '../../activities/artifacts/local-files.js';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rmr1-files-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

describe('a full local disk', () => {
  test('is named as such', async () => {
    const endless = (async function* () {
      for (let i = 0; i < 64; i++) yield await Promise.resolve(Buffer.alloc(65_536));
    })();
    await expect(writeStream('/dev/full', endless)).rejects.toMatchObject({
      type: 'DiskFull',
      message: expect.stringMatching(/No space left while writing \/dev\/full\. Free disk space/) as string,
    });
  });

  test.each([
    ['ENOSPC', 'DiskFull'],
    ['EDQUOT', 'DiskFull'],
    ['EACCES', undefined],
    [undefined, undefined],
  ])('and no other failure: %s is %s', async (code, type) => {
    const cause = Object.assign(new Error('x'), { code });
    const failing = onLocalDisk('/x', () => Promise.reject(cause));
    await expect(failing).rejects.toMatchObject(type ? { type, cause } : { message: 'x', code });
  });
});

describe('a file that is written atomically', () => {
  test('appears in a directory that is made for it, and replaces the old one', async () => {
    const path = join(dir, 'new', 'deep', 'file');
    for (const text of ['one', 'two']) {
      await writeAtomically(path, async (partial) => {
        expect(dirname(partial)).toBe(dirname(path));
        await writeFile(partial, text);
        if (text === 'two') expect(await readFile(path, 'utf8')).toBe('one');
      });
      expect(await readFile(path, 'utf8')).toBe(text);
    }
    expect(await readdir(dirname(path))).toEqual(['file']);
  });

  test('stays as it was where writing fails half-way, and nothing is left beside it', async () => {
    const path = join(dir, 'half', 'file');
    await writeAtomically(path, (partial) => writeFile(partial, 'whole'));
    const failing = writeAtomically(path, async (partial) => {
      await writeFile(partial, 'ha');
      throw new Error('power cut');
    });
    await expect(failing).rejects.toThrow('power cut');
    expect(await readdir(dirname(path))).toEqual(['file']);
    expect(await readFile(path, 'utf8')).toBe('whole');
  });

  test('tells why writing failed where nothing was written yet, and leaves no directory half-filled', async () => {
    const path = join(dir, 'nothing', 'file');
    const failing = writeAtomically(path, () => Promise.reject(new Error('refused')));
    await expect(failing).rejects.toThrow('refused');
    const halfFilled = writeAtomically(path, async (partial) => {
      await mkdir(partial);
      await writeFile(join(partial, 'one'), '1');
      throw new Error('no two');
    });
    await expect(halfFilled).rejects.toThrow('no two');
    expect(await readdir(dirname(path))).toEqual([]);
  });

  test('is there before its source is asked, so that nothing is made after a source broke off', async () => {
    const path = join(dir, 'broken-off', 'file');
    let there: boolean | undefined;
    const failing = writeAtomically(path, (partial) => {
      const breaksOff = async function* (): AsyncGenerator<Uint8Array> {
        there = existsSync(partial);
        yield await Promise.resolve(Buffer.from('half'));
        throw new Error('broken off');
      };
      return writeStream(partial, breaksOff());
    });
    await expect(failing).rejects.toThrow('broken off');
    expect(there).toBe(true);
    expect(await readdir(dirname(path))).toEqual([]);
  });
});

test('bytes, text and files have the hash that everybody else computes', async () => {
  const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
  expect(sha256Hex('abc')).toBe(abc);
  expect(sha256Hex(Buffer.from('abc'))).toBe(abc);
  expect(hexToBase64(abc)).toBe('ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=');
  const large = Buffer.alloc(2_500_000, 'abc');
  await writeFile(join(dir, 'large'), large);
  expect(await hashFile(join(dir, 'large'))).toEqual({ sha256: sha256Hex(large), bytes: 2_500_000 });
});
