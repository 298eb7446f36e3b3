/** Records and fences against a bucket that answers oddly, as no real one does on demand. */
import { beforeEach, describe, expect, test } from 'vitest';
import { StoreError } from '../../activities/artifacts/errors.js';
import { Fences, isOnLine, type Fence } from '../../activities/artifacts/fence.js';
import { Records } from '../../activities/artifacts/records.js';
import { brokenConnection, MemoryBucket } from './memory-bucket.js';

let bucket: MemoryBucket;
let records: Records;
beforeEach(() => {
  bucket = new MemoryBucket();
  records = new Records(bucket);
});
const stored = (key: string, text: string, sha256?: string) =>
  bucket.objects.set(key, { body: Buffer.from(text), etag: '"v"', ...(sha256 ? { sha256 } : {}) });
const foreign = 'f'.repeat(64);

describe('a record', () => {
  test('is canonical JSON, sealed, and comes back with its version', async () => {
    const { etag } = await records.putJson('r', { b: 1, a: [true] });
    expect(bucket.objects.get('r')!.body.toString()).toBe('{"a":[true],"b":1}');
    expect(await records.getJson('r')).toEqual({ value: { a: [true], b: 1 }, etag });
    expect(await records.getJson('absent')).toBeUndefined();
  });

  test('without a seal is taken as it is, with another one it is corrupt', async () => {
    stored('r', '{"n":1}');
    expect(await records.getJson('r')).toEqual({ value: { n: 1 }, etag: '"v"' });
    stored('r', '{"n":1}', foreign);
    await expect(records.getJson('r')).rejects.toMatchObject({
      type: 'CorruptArtifact',
      message: expect.stringContaining('s3://b/r is corrupt: it is not the JSON that was stored') as string,
    });
    stored('r', '{"n":');
    await expect(records.getJson('r')).rejects.toMatchObject({ type: 'CorruptArtifact' });
  });

  test('whose connection breaks within the answer is unreachable, not empty', async () => {
    await records.putJson('r', { n: 1 });
    bucket.streams = function* (body) {
      yield body.subarray(0, 2);
      throw brokenConnection();
    };
    await expect(records.getJson('r')).rejects.toMatchObject({ type: 'StorageUnreachable' });
    await expect(records.getBytes('r')).rejects.toMatchObject({ type: 'StorageUnreachable' });
  });
});

describe('bytes under a key', () => {
  test('come back whole and verified, or only their beginning', async () => {
    await records.putBytes('k', Buffer.from('segment'), { ifNoneMatch: true });
    expect(bucket.asked).toEqual(['put k if none']);
    expect((await records.getBytes('k'))?.toString()).toBe('segment');
    expect((await records.getBytes('k', 3))?.toString()).toBe('seg');
    expect(await records.getBytes('absent')).toBeUndefined();
    await records.delete('k');
    expect(bucket.objects.size).toBe(0);
  });

  test('of another hash than their seal are corrupt; nothing is known of a part, or without a seal', async () => {
    stored('k', 'changed', foreign);
    await expect(records.getBytes('k')).rejects.toThrow('s3://b/k is corrupt: it is not what was stored');
    expect((await records.getBytes('k', 4))?.toString()).toBe('chan');
    stored('k', 'changed');
    expect((await records.getBytes('k'))?.toString()).toBe('changed');
  });

  test('are listed by their keys, no further than asked', async () => {
    for (const key of ['a/1', 'a/2', 'a/3', 'b/1']) stored(key, '');
    expect(await records.listKeys('a/')).toEqual(['a/1', 'a/2', 'a/3']);
    expect(await records.listKeys('a/', 2)).toEqual(['a/1', 'a/2']);
    expect(await records.listKeys('a/', 3)).toEqual(['a/1', 'a/2', 'a/3']);
    expect(await records.listKeys('a/', 0)).toEqual([]);
  });
});

describe('a fence', () => {
  const key = 'checkpoints/0123456789abcdef/fence.json';
  const stage = '0123456789abcdef';
  const none = () => Promise.resolve(undefined);
  let fences: Fences;
  beforeEach(() => {
    fences = new Fences(records);
  });
  const puts = () => bucket.asked.filter((request) => request.startsWith('put'));

  test('gives numbers in order, and keeps every claim with what it found', async () => {
    const first = await fences.claim(stage, 'one', undefined, none);
    expect(first).toMatchObject({ attempt: 1, owner: 'one', claims: [{ attempt: 1, from: null }] });
    const found: (Fence | undefined)[] = [];
    const second = await fences.claim(stage, 'two', undefined, (fence) => {
      found.push(fence);
      return Promise.resolve({ step: 7, attempt: 1, parts: 'more than an id' } as never);
    });
    expect(found).toMatchObject([{ attempt: 1, owner: 'one' }]);
    expect(second.claims.map(({ attempt, owner, from }) => [attempt, owner, from])).toEqual([
      [1, 'one', null],
      [2, 'two', { step: 7, attempt: 1 }],
    ]);
    expect(Date.parse(second.claims[1]!.at)).not.toBeNaN();
    expect(await fences.read(stage)).toMatchObject(second);
    expect(puts()).toEqual([`put ${key} if none`, `put ${key} if "1"`]);
  });

  test('that is held already is not moved, a lower number is refused by name', async () => {
    const held = await fences.claim(stage, 'five', 5, none);
    expect(held.attempt).toBe(5);
    expect(await fences.claim(stage, 'five again', 5, none)).toMatchObject({ attempt: 5, owner: 'five' });
    expect(puts()).toHaveLength(1);
    const refusal = {
      type: 'Fenced',
      message:
        'Attempt 4 of stage 0123456789ab may not write: attempt 5 (five) has taken over. Stop this process; the later attempt goes on.',
    };
    await expect(fences.claim(stage, 'four', 4, none)).rejects.toMatchObject(refusal);
    await expect(fences.assertHeld(stage, 4)).rejects.toMatchObject(refusal);
    await fences.assertHeld(stage, 5);
    await fences.assertHeld('another stage', 1);
    expect((await fences.claim(stage, 'next', undefined, none)).attempt).toBe(6);
  });

  test('moved by another one in between is read again', async () => {
    let races = 2;
    bucket.before = (request) => {
      if (!request.startsWith('put') || races === 0) return;
      races -= 1;
      const attempt = 10 - races;
      const claims = [{ attempt, owner: 'racer', from: null, at: '' }];
      stored(key, JSON.stringify({ attempt, owner: 'racer', claims }));
      bucket.objects.get(key)!.etag = `"race ${races}"`;
    };
    const { attempt, claims } = await fences.claim(stage, 'late', undefined, none);
    expect(attempt).toBe(11);
    expect(claims.map(({ owner }) => owner)).toEqual(['racer', 'late']);
  });

  test('that is never free is given up, and other failures are not tried again', async () => {
    const lost = new StoreError('PreconditionFailed', 'always another one first');
    bucket.before = (request) => {
      if (request.startsWith('put')) throw lost;
    };
    await expect(fences.claim(stage, 'unlucky', undefined, none)).rejects.toBe(lost);
    expect(puts()).toHaveLength(51);
    const refused = new StoreError('StorageCredentials', 'refused');
    bucket.before = (request) => {
      if (request.startsWith('put')) throw refused;
    };
    await expect(fences.claim(stage, 'nobody', undefined, none)).rejects.toBe(refused);
    expect(puts()).toHaveLength(52);
  });

  test('of another form is corrupt', async () => {
    stored(key, '{"attempt":0}');
    await expect(fences.read(stage)).rejects.toThrow(`${key} is corrupt: it is not a fence`);
  });

  test('tells which checkpoints are of the line that goes on', () => {
    const fence = (...claims: [number, number | null][]): Fence => ({
      ...{ attempt: claims.length, owner: 'x' },
      claims: claims.map(([attempt, step]) => ({
        ...{ attempt, owner: 'x', at: '' },
        from: step === null ? null : { step, attempt: attempt - 1 },
      })),
    });
    expect(isOnLine({ step: 9, attempt: 1 }, undefined)).toBe(true);
    expect(isOnLine({ step: 9, attempt: 1 }, fence([1, null]))).toBe(true);
    expect(isOnLine({ step: 4, attempt: 1 }, fence([1, null], [2, 4]))).toBe(true);
    expect(isOnLine({ step: 5, attempt: 1 }, fence([1, null], [2, 4]))).toBe(false);
    // The second attempt found nothing: whatever the first one wrote came too late.
    expect(isOnLine({ step: 0, attempt: 1 }, fence([1, null], [2, null]))).toBe(false);
  });
});
