import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { objectKey } from '../../activities/artifacts/objects.js';
import { proxyTo } from './proxy.js';
import { abandonUpload, unfinishedUploads, vandalise } from './raw-bucket.js';
import { freshKey, useStore } from './shared-store.js';

const s3 = useStore();

function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

async function collect(rows: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

async function scratch(): Promise<string> {
  const dir = join(s3.dir, freshKey());
  await mkdir(dir);
  return dir;
}

describe('bytes', () => {
  test('of any content come back, named by their hash', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 4096 }), async (body) => {
        const ref = await s3.store.putBytes('samples', body);
        expect(ref).toMatchObject({ sha256: sha256(body), bytes: body.length, kind: 'samples' });
        expect(ref.uri.endsWith(objectKey(ref.sha256))).toBe(true);
        expect(Buffer.compare(await s3.store.getBytes(ref), body)).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  test('stored by 20 writers at once are one object and no error', async () => {
    const body = randomBytes(10_000);
    const writers = Array.from({ length: 20 }, () => s3.another());
    const refs = await Promise.all(writers.map((store) => store.putBytes('traces', body)));
    expect(new Set(refs.map(({ uri }) => uri)).size).toBe(1);
    expect((await s3.store.getBytes(refs[0]!)).equals(body)).toBe(true);
  });

  test('that were never stored are missing, not empty', async () => {
    const ref = await s3.store.putBytes('pairs', 'present');
    const absent = { ...ref, uri: ref.uri.replace(ref.sha256, 'f'.repeat(64)), sha256: 'f'.repeat(64) };
    await expect(s3.store.getBytes(absent)).rejects.toMatchObject({ type: 'ArtifactMissing' });
    expect(await s3.store.has(absent)).toBe(false);
    expect(await s3.store.has(ref)).toBe(true);
  });

  test('of another bucket are refused, naming the variables to set', async () => {
    const ref = await s3.store.putBytes('pairs', 'elsewhere');
    const foreign = { ...ref, uri: `s3://another-bucket/${objectKey(ref.sha256)}` };
    await expect(s3.store.getBytes(foreign)).rejects.toMatchObject({
      type: 'StorageSettings',
      message: expect.stringContaining('RMR1_S3_BUCKET') as string,
    });
  });
});

describe('a corrupt object', () => {
  test.each([
    ['of the same length', (body: Buffer) => Buffer.from(body.map((byte) => byte ^ 1))],
    ['cut short', (body: Buffer) => body.subarray(0, body.length - 1)],
    ['emptied', () => Buffer.alloc(0)],
    ['grown', (body: Buffer) => Buffer.concat([body, Buffer.from('!')])],
  ])('%s is one clear error and leaves no local file', async (_, damage) => {
    const body = randomBytes(1000);
    const ref = await s3.store.putBytes('model', body);
    await vandalise(s3.settings, objectKey(ref.sha256), damage(body));
    const dir = await scratch();
    for (const read of [() => s3.store.getBytes(ref), () => s3.store.getFile(ref, join(dir, 'copy'))]) {
      await expect(read()).rejects.toMatchObject({
        type: 'CorruptArtifact',
        message: expect.stringMatching(
          new RegExp(`^${ref.uri} is corrupt: .* run the stage that made it again\\.$`),
        ) as string,
      });
    }
    expect(await readdir(dir)).toEqual([]);
  });

  test('of another length is mended by storing the content again', async () => {
    const body = randomBytes(500);
    const ref = await s3.store.putBytes('model', body);
    await vandalise(s3.settings, objectKey(ref.sha256), 'rubbish');
    await s3.store.putBytes('model', body);
    expect((await s3.store.getBytes(ref)).equals(body)).toBe(true);
  });
});

describe('a large file', () => {
  const size = 36 * 1024 * 1024 + 17;

  test('goes up in parts and comes down whole', async () => {
    const dir = await scratch();
    const body = randomBytes(size);
    await writeFile(join(dir, 'up'), body);
    const ref = await s3.store.putFile('model', join(dir, 'up'));
    expect(ref).toMatchObject({ sha256: sha256(body), bytes: size });
    await s3.store.getFile(ref, join(dir, 'down'));
    expect((await readFile(join(dir, 'down'))).equals(body)).toBe(true);
    expect(await unfinishedUploads(s3.settings)).toEqual([]);
  });

  test.each([
    ['shrinks', (path: string) => truncate(path, 20 * 1024 * 1024)],
    ['is rewritten in the same length', (path: string) => writeFile(path, randomBytes(size))],
  ])('that %s between its hash and its upload leaves neither an object nor parts', async (_, change) => {
    const path = join(await scratch(), 'changing');
    await writeFile(path, randomBytes(size));
    const sealed = sha256(await readFile(path));
    // The store is asked whether it has the content after the hash is known and before the upload begins.
    const proxy = await proxyTo(s3.settings.endpoint!, {
      onRequest: async (line) => {
        if (line.startsWith('HEAD')) await change(path);
      },
    });
    await expect(s3.another({ endpoint: proxy.endpoint }).putFile('model', path)).rejects.toThrow();
    const uri = `s3://${s3.settings.bucket}/${s3.settings.prefix}/${objectKey(sealed)}`;
    expect(await s3.store.has({ uri, sha256: sealed, bytes: size, kind: 'model' })).toBe(false);
    expect(await unfinishedUploads(s3.settings)).toEqual([]);
    proxy.close();
  });

  test('whose writer was killed in mid-upload is invisible and can be swept up', async () => {
    const key = objectKey('e'.repeat(64));
    await abandonUpload(s3.settings, key);
    const ref = { uri: `s3://${s3.settings.bucket}/${s3.settings.prefix}/${key}`, sha256: 'e'.repeat(64) };
    expect(await s3.store.has({ ...ref, bytes: 5 * 1024 * 1024, kind: 'model' })).toBe(false);
    expect(await s3.store.abortDanglingUploads(3600_000)).toBe(0);
    expect(await s3.store.abortDanglingUploads(0)).toBe(1);
    expect(await unfinishedUploads(s3.settings)).toEqual([]);
  });
});

describe('a connection that breaks inside an object', () => {
  test('is read again from the start, not taken for corruption', async () => {
    const body = randomBytes(3 * 1024 * 1024);
    const ref = await s3.store.putBytes('model', body);
    let cuts = 0;
    const proxy = await proxyTo(s3.settings.endpoint!, {
      cutAfter: (bytes) => bytes > 1_000_000 && cuts < 2 && Boolean(++cuts),
    });
    const store = s3.another({ endpoint: proxy.endpoint });
    expect((await store.getBytes(ref)).equals(body)).toBe(true);
    expect(cuts).toBe(2);
    proxy.close();
  });
});

describe('a directory', () => {
  async function sample(): Promise<string> {
    const dir = await scratch();
    await mkdir(join(dir, 'nested', 'deep'), { recursive: true });
    await writeFile(join(dir, 'config.json'), '{"layers":2}');
    await writeFile(join(dir, 'empty'), '');
    await writeFile(join(dir, 'nested', 'deep', 'weights ü.bin'), randomBytes(3000));
    return dir;
  }

  test('comes back file by file and has one name for one content', async () => {
    const dir = await sample();
    const ref = await s3.store.putDirectory('model', dir);
    expect(await s3.another().putDirectory('model', dir)).toEqual(ref);
    const out = join(await scratch(), 'out');
    await s3.store.fetchDirectory(ref, out);
    for (const path of ['config.json', 'empty', 'nested/deep/weights ü.bin']) {
      expect((await readFile(join(out, path))).equals(await readFile(join(dir, path)))).toBe(true);
    }
    expect((await s3.store.readListing(ref)).files.map(({ path }) => path)).toEqual([
      'config.json',
      'empty',
      'nested/deep/weights ü.bin',
    ]);
  });

  test('fetched over damaged files mends them', async () => {
    const ref = await s3.store.putDirectory('model', await sample());
    const out = await scratch();
    await s3.store.fetchDirectory(ref, out);
    await writeFile(join(out, 'config.json'), '{"layers":3}');
    await s3.store.fetchDirectory(ref, out);
    expect(await readFile(join(out, 'config.json'), 'utf8')).toBe('{"layers":2}');
  });

  test('with a corrupt file cannot be fetched', async () => {
    const ref = await s3.store.putDirectory('model', await sample());
    const weights = (await s3.store.readListing(ref)).files[2];
    await vandalise(s3.settings, objectKey(weights?.sha256 ?? ''), randomBytes(3000));
    await expect(s3.store.fetchDirectory(ref, join(await scratch(), 'out'))).rejects.toMatchObject({
      type: 'CorruptArtifact',
    });
  });

  test('whose listing points outside it is refused', async () => {
    for (const path of ['../escape', '/etc/escape', 'a/../../escape']) {
      const file = { path, sha256: sha256(Buffer.from('x')), bytes: 1 };
      const listing = JSON.stringify({ format: 'rmr1-directory/1', files: [file] });
      const ref = await s3.store.putBytes('model', listing);
      await expect(s3.store.fetchDirectory(ref, await scratch())).rejects.toMatchObject({
        type: 'CorruptArtifact',
        message: expect.stringContaining('outside the directory') as string,
      });
    }
  });

  test('with a link in it, or empty, is refused by name', async () => {
    const dir = await sample();
    await symlink('/etc/passwd', join(dir, 'link'));
    await expect(s3.store.putDirectory('model', dir)).rejects.toThrow(/link is not a regular file/);
    await expect(s3.store.putDirectory('model', await scratch())).rejects.toThrow(/holds no files/);
  });
});

describe('lines', () => {
  test('of any JSON values come back in order', async () => {
    const json = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);
    await fc.assert(
      fc.asyncProperty(fc.array(json, { maxLength: 20 }), async (rows) => {
        const ref = await s3.store.putLines('traces', rows);
        expect(await collect(s3.store.openLines(ref))).toEqual(rows);
      }),
      { numRuns: 15 },
    );
  });

  test('of a corrupt artefact are not yielded, not even the sound ones', async () => {
    const ref = await s3.store.putLines('traces', [{ a: 1 }, { a: 2 }]);
    await vandalise(s3.settings, objectKey(ref.sha256), '{"a":1}\n{"a":3}\n');
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const row of s3.store.openLines(ref)) seen.push(row);
    })();
    await expect(reading).rejects.toMatchObject({ type: 'CorruptArtifact' });
    expect(seen).toEqual([]);
  });

  test('that are no JSON are reported by number', async () => {
    const ref = await s3.store.putBytes('traces', '{"a":1}\n\nnot json\n');
    await expect(collect(s3.store.openLines(ref))).rejects.toThrow(/line 3 is not JSON/);
  });
});

describe('the local cache', () => {
  test('serves what the store no longer has, and never a damaged copy', async () => {
    const cacheDir = await scratch();
    const dir = await scratch();
    const store = s3.another({}, { cacheDir });
    const ref = await store.putBytes('model', randomBytes(2000));
    await store.getFile(ref, join(dir, 'first'));
    await vandalise(s3.settings, objectKey(ref.sha256), 'gone');
    await store.getFile(ref, join(dir, 'second'));
    expect(sha256(await readFile(join(dir, 'second')))).toBe(ref.sha256);

    await writeFile(join(cacheDir, ref.sha256.slice(0, 2), ref.sha256), 'damaged');
    await expect(store.getFile(ref, join(dir, 'third'))).rejects.toMatchObject({ type: 'CorruptArtifact' });
    expect(await readdir(join(cacheDir, ref.sha256.slice(0, 2)))).toEqual([]);
  });

  test('forgets the least recently used beyond its size', async () => {
    const cacheDir = await scratch();
    const dir = await scratch();
    const store = s3.another({}, { cacheDir, cacheBytes: 2500 });
    const refs = [];
    for (let i = 0; i < 3; i++) {
      const ref = await store.putBytes('model', randomBytes(1000));
      refs.push(ref.sha256);
      await store.getFile(ref, join(dir, String(i)));
    }
    const kept = (await readdir(cacheDir, { recursive: true }))
      .map((path) => path.split('/')[1])
      .filter(Boolean);
    expect(kept.sort()).toEqual(refs.slice(1).sort());
  });
});
