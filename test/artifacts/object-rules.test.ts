/** Content-addressed objects against a bucket that answers oddly, as no real one does on demand. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { PART_BYTES } from '../../activities/artifacts/bucket.js';
import { StoreError } from '../../activities/artifacts/errors.js';
import { sha256Hex } from '../../activities/artifacts/hashing.js';
import { openLines, putLines } from '../../activities/artifacts/json-lines.js';
import type { LocalCache } from '../../activities/artifacts/local-cache.js';
import { objectKey, Objects } from '../../activities/artifacts/objects.js';
import { artifactRefSchema } from '../../activities/artifacts/ref.js';
import { brokenConnection, MemoryBucket } from './memory-bucket.js';

const waited: number[] = [];
vi.mock('node:timers/promises', () => ({
  setTimeout: (ms: number) => {
    waited.push(ms);
    return Promise.resolve();
  },
}));

let dir: string;
let bucket: MemoryBucket;
let objects: Objects;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rmr1-objects-'));
  bucket = new MemoryBucket();
  objects = new Objects(bucket, undefined);
  waited.length = 0;
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true, force: true });
});

const body = Buffer.from('content');
const key = objectKey(sha256Hex(body));
const HOUR_MS = 3600_000;
const stand = (content: Buffer, hoursAgo?: number) =>
  bucket.objects.set(key, {
    body: content,
    etag: '"old"',
    ...(hoursAgo === undefined ? {} : { modifiedAt: new Date(Date.now() - hoursAgo * HOUR_MS) }),
  });
const made = async (bytes: number): Promise<string> => {
  const path = join(dir, `made-${bytes}`);
  await writeFile(path, randomBytes(64));
  await truncate(path, bytes);
  return path;
};

describe('storing bytes', () => {
  test('writes them where nothing is', async () => {
    const ref = await objects.putBytes('traces', body);
    expect(artifactRefSchema.parse(ref)).toEqual({
      ...{ uri: `s3://b/${key}`, sha256: sha256Hex(body), bytes: 7, kind: 'traces' },
    });
    expect(bucket.asked).toEqual([`put ${key} if none`]);
  });

  test.each([
    ['the same lately', body, 23, false],
    ['the same, of unknown age', body, undefined, false],
    ['the same a day ago, which a clean-up may take for unwanted', body, 25, true],
    ['something shorter, from a writer that died', body.subarray(1), 1, true],
  ])('where another one stored %s', async (_, content, hoursAgo, again) => {
    stand(content, hoursAgo);
    await objects.putBytes('traces', body);
    expect(bucket.asked).toEqual([`put ${key} if none`, `head ${key}`, ...(again ? [`put ${key}`] : [])]);
    expect(bucket.objects.get(key)!.body.equals(body)).toBe(true);
  });

  test('fails as the store does', async () => {
    const refused = new StoreError('StorageCredentials', 'refused');
    bucket.before = () => {
      throw refused;
    };
    await expect(objects.putBytes('traces', body)).rejects.toBe(refused);
    expect(bucket.asked).toHaveLength(1);
  });
});

describe('storing a file', () => {
  test.each([
    ['in one piece up to the size of a part', PART_BYTES, 'put'],
    ['in parts beyond it', PART_BYTES + 1, 'put parts'],
  ])('%s', async (_, bytes, verb) => {
    const path = await made(bytes);
    const ref = await objects.putFile('model', path);
    expect(ref).toMatchObject({ bytes, sha256: sha256Hex(await readFile(path)) });
    const { asked } = bucket;
    expect(asked.at(-1)).toBe(`${verb} ${objectKey(ref.sha256)} if none`);
    asked.length = 0;
    expect(await objects.putFileAt('checkpoints/1/model', path)).toEqual({ sha256: ref.sha256, bytes });
    expect(asked).toEqual([`${verb} checkpoints/1/model`]);
  });

  test('a large one is not sent where it is, and replaces what is not it', async () => {
    const path = await made(PART_BYTES + 1);
    const at = objectKey(sha256Hex(await readFile(path)));
    const ref = await objects.putFile('model', path);
    bucket.asked.length = 0;
    expect(await objects.putFile('model', path)).toEqual(ref);
    expect(bucket.asked).toEqual([`head ${at}`]);
    bucket.objects.get(at)!.body = Buffer.from('half');
    bucket.asked.length = 0;
    await objects.putFile('model', path);
    expect(bucket.asked).toEqual([`head ${at}`, `put parts ${at}`]);
  });

  test('a large one that another writer stores meanwhile is success, unless it is cut off', async () => {
    for (const [length, requests] of [
      [PART_BYTES + 1, 3],
      [5, 4],
    ] as const) {
      const path = await made(PART_BYTES + 1);
      const whole = await readFile(path);
      bucket = new MemoryBucket();
      bucket.before = (request) => {
        if (request.endsWith('if none'))
          bucket.objects.set(request.split(' ')[2]!, { body: whole.subarray(0, length), etag: '"other"' });
      };
      const ref = await new Objects(bucket, undefined).putFile('model', path);
      expect(bucket.asked).toHaveLength(requests);
      expect(bucket.objects.get(objectKey(ref.sha256))!.body.length).toBe(whole.length);
    }
  });

  test('that changes while it goes up is refused', async () => {
    const path = await made(PART_BYTES + 1);
    bucket.before = async (request) => {
      if (request.startsWith('put parts')) await writeFile(path, 'changed');
    };
    await expect(objects.putFile('model', path)).rejects.toMatchObject({
      type: 'CorruptArtifact',
      message: `${path} changed while it was uploaded. Close what writes to it and store it again.`,
    });
  });
});

describe('reading', () => {
  const ref = { uri: `s3://b/${key}`, sha256: sha256Hex(body), bytes: body.length, kind: 'traces' as const };
  const reads = () => bucket.asked.filter((request) => request === `get ${key}`).length;

  test('gives what was stored, as bytes and as a file', async () => {
    stand(body);
    expect((await objects.getBytes(ref)).equals(body)).toBe(true);
    await objects.getFile(ref, join(dir, 'file'));
    expect((await readFile(join(dir, 'file'))).equals(body)).toBe(true);
    expect([await objects.has(ref), await objects.has({ ...ref, bytes: 6 })]).toEqual([true, false]);
    bucket.objects.clear();
    expect(await objects.has(ref)).toBe(false);
    await expect(objects.getBytes(ref)).rejects.toMatchObject({ type: 'ArtifactMissing' });
  });

  test.each([
    ['cut off', 'conten', 'it has 6 bytes where 7 were stored'],
    ['changed', 'c0ntent', `its sha256 is ${sha256Hex('c0ntent')} where ${sha256Hex('content')} was stored`],
  ])('what is %s fails after one more look, and leaves no file', async (_, text, detail) => {
    stand(Buffer.from(text));
    await expect(objects.getFile(ref, join(dir, 'file'))).rejects.toMatchObject({
      type: 'CorruptArtifact',
      message: expect.stringContaining(`s3://b/${key} is corrupt: ${detail}`) as string,
    });
    expect(reads()).toBe(2);
    expect(await readdir(dir)).toEqual([]);
  });

  test('what was garbled on its way only is read again', async () => {
    stand(body);
    bucket.streams = (content) => [reads() === 1 ? Buffer.from('garbled') : content];
    expect((await objects.getBytes(ref)).equals(body)).toBe(true);
    expect([reads(), waited]).toEqual([2, [200]]);
  });

  test('begins anew where the connection breaks, four times in all and with growing pauses', async () => {
    stand(body);
    let breaks = 3;
    bucket.streams = function* (content) {
      yield content.subarray(0, 3);
      if (breaks > 0) {
        breaks -= 1;
        throw brokenConnection();
      }
      yield content.subarray(3);
    };
    expect((await objects.getBytes(ref)).equals(body)).toBe(true);
    expect([reads(), waited]).toEqual([4, [200, 400, 800]]);
    breaks = 4;
    await expect(objects.getBytes(ref)).rejects.toMatchObject({ type: 'StorageUnreachable' });
    expect(reads()).toBe(8);
  });

  test('names a failure of this machine as what it is', async () => {
    stand(body);
    await expect(objects.getFile(ref, '/dev/null/file')).rejects.toMatchObject({ syscall: 'mkdir' });
    expect(reads()).toBe(0);
    bucket.streams = () => {
      throw new TypeError('something else');
    };
    await expect(objects.getBytes(ref)).rejects.toMatchObject({ type: 'StorageUnreachable' });
    expect(reads()).toBe(1);
  });

  test('asks the copies of this machine first, and gives them what they lack', async () => {
    stand(body);
    const inserted: string[] = [];
    const cache = (has: boolean) =>
      ({
        copyTo: () => Promise.resolve(has),
        insert: (sha256: string, path: string) => {
          inserted.push(`${sha256} ${path}`);
          return Promise.resolve();
        },
      }) as unknown as LocalCache;
    await new Objects(bucket, cache(true)).getFile(ref, join(dir, 'file'));
    expect([reads(), inserted]).toEqual([0, []]);
    await new Objects(bucket, cache(false)).getFile(ref, join(dir, 'file'));
    expect([reads(), inserted]).toEqual([1, [`${ref.sha256} ${join(dir, 'file')}`]]);
  });

  test('a copy for a while is gone afterwards, whatever its user did', async () => {
    stand(body);
    const paths: string[] = [];
    const size = await objects.withFile(ref, async (path) => {
      paths.push(path);
      return (await readFile(path)).length;
    });
    const failing = objects.withFile(ref, (path) => {
      paths.push(path);
      return Promise.reject(new Error('its user failed'));
    });
    await expect(failing).rejects.toThrow('its user failed');
    expect(size).toBe(7);
    expect(paths).toHaveLength(2);
    for (const path of paths) expect(existsSync(dirname(path))).toBe(false);
  });
});

describe('lines of JSON', () => {
  const spools: string[] = [];
  const spooling = () => {
    spools.length = 0;
    const original = objects.putFile.bind(objects);
    vi.spyOn(objects, 'putFile').mockImplementation(async (kind, path) => {
      spools.push(path);
      return original(kind, path);
    });
  };
  const read = async (ref: Parameters<typeof openLines>[1]) => {
    const rows: unknown[] = [];
    for await (const row of openLines(objects, ref)) rows.push(row);
    return rows;
  };

  test('are spooled to a file that is gone afterwards, also where the rows fail', async () => {
    vi.stubEnv('TMPDIR', dir);
    spooling();
    const rows = Array.from({ length: 3 }, (_, n) => ({ n, text: 'ä'.repeat(200_000) }));
    const ref = await putLines(objects, 'traces', rows);
    expect(await read(ref)).toEqual(rows);
    expect(existsSync(dirname(spools[0]!))).toBe(false);
    expect((await putLines(objects, 'traces', [])).bytes).toBe(0);
    const broken = (function* () {
      yield 1;
      throw new Error('no more rows');
    })();
    await expect(putLines(objects, 'traces', broken)).rejects.toThrow('no more rows');
    expect(await readdir(dir)).toEqual([]);
  });

  test('are yielded without blank ones; one that is no JSON is named by its number', async () => {
    const ref = await objects.putBytes('traces', Buffer.from('1\n\n  \n{"a":2}\r\n'));
    expect(await read(ref)).toEqual([1, { a: 2 }]);
    const bad = await objects.putBytes('traces', Buffer.from('1\n \nnot json\n'));
    await expect(read(bad)).rejects.toMatchObject({
      type: 'CorruptArtifact',
      message: expect.stringContaining(`${bad.uri} is corrupt: line 3 is not JSON (`) as string,
    });
  });

  test('leave nothing behind where their reader stops early', async () => {
    const ref = await objects.putBytes('traces', Buffer.from('1\n2\n3\n'));
    const paths: string[] = [];
    const original = objects.getFile.bind(objects);
    vi.spyOn(objects, 'getFile').mockImplementation(async (wanted, path) => {
      paths.push(path);
      await original(wanted, path);
    });
    for await (const row of openLines(objects, ref)) {
      expect(row).toBe(1);
      break;
    }
    expect(existsSync(dirname(paths[0]!))).toBe(false);
  });
});
