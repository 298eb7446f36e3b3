/** What goes over the wire to S3, and what its answers are taken for; a real store does not answer oddly on demand. */
import { Readable } from 'node:stream';
import { beforeEach, describe, expect, test } from 'vitest';
import { Bucket } from '../../activities/artifacts/bucket.js';
import { sha256Hex } from '../../activities/artifacts/hashing.js';
import type { S3Settings } from '../../activities/artifacts/settings.js';

interface Sent {
  name: string;
  input: Record<string, unknown>;
}
type Answer = Record<string, unknown> | Error;

/** The requests that were sent, and what answers them: in turn, the last one ever after. */
let sent: Sent[];
let answers: Answer[];
beforeEach(() => {
  sent = [];
  answers = [{}];
});

function bucketOf(changes: Partial<S3Settings> = {}): Bucket {
  const bucket = new Bucket({ region: 'r', bucket: 'b', forcePathStyle: true, ...changes });
  bucket.close();
  const client = {
    send: async (command: { constructor: { name: string }; input: Record<string, unknown> }) => {
      sent.push({ name: command.constructor.name.replace('Command', ''), input: command.input });
      const answer = answers[Math.min(sent.length, answers.length) - 1]!;
      if (answer instanceof Error) throw answer;
      return answer;
    },
  };
  return Object.assign(bucket, { client });
}

const refusal = (name: string, httpStatusCode: number, attempts = 1): Error =>
  Object.assign(new Error(name), { name, $metadata: { httpStatusCode, attempts } });
const conflict = refusal('ConditionalRequestConflict', 409);
const body = Buffer.from('abc');
const sha256 = sha256Hex(body);

describe('a key', () => {
  test.each([
    [undefined, 's3://b/x/y'],
    ['', 's3://b/x/y'],
    ['team', 's3://b/team/x/y'],
    ['//team/a//', 's3://b/team/a/x/y'],
  ])('below the prefix %j has the uri %s, and comes back from it', async (prefix, uri) => {
    const bucket = bucketOf(prefix === undefined ? {} : { prefix });
    expect(bucket.uri('x/y')).toBe(uri);
    expect(bucket.keyOf(uri)).toBe('x/y');
    await bucket.delete('x/y');
    expect(sent).toEqual([
      { name: 'DeleteObject', input: { Bucket: 'b', Key: uri.slice('s3://b/'.length) } },
    ]);
  });

  test('of another bucket or prefix is refused, with what to set', () => {
    expect(() => bucketOf({ prefix: 'team' }).keyOf('s3://b/x')).toThrow(
      expect.objectContaining({
        type: 'StorageSettings',
        message:
          's3://b/x is not below s3://b/team/. Set RMR1_S3_BUCKET and RMR1_S3_PREFIX to where that run stored its artefacts.',
      }),
    );
  });
});

describe('writing', () => {
  test('seals the object with its hash, for the store to check and for readers', async () => {
    answers = [{ ETag: '"v1"' }];
    expect(await bucketOf({ prefix: 'p' }).put('x', body)).toEqual({ etag: '"v1"' });
    expect(sent).toEqual([
      {
        name: 'PutObject',
        input: {
          ...{ Bucket: 'b', Key: 'p/x', Body: body, Metadata: { sha256 } },
          ChecksumSHA256: 'ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=',
        },
      },
    ]);
  });

  test('asks for encryption where the settings do, and for a condition where the caller does', async () => {
    const bucket = bucketOf({ serverSideEncryption: 'aws:kms' });
    await bucket.put('x', body, { ifNoneMatch: true });
    await bucket.put('x', body, { ifMatch: '"v1"' });
    expect(sent[0]!.input).toMatchObject({ ServerSideEncryption: 'aws:kms', IfNoneMatch: '*' });
    expect(sent[0]!.input).not.toHaveProperty('IfMatch');
    expect(sent[1]!.input).toMatchObject({ ServerSideEncryption: 'aws:kms', IfMatch: '"v1"' });
    expect(sent[1]!.input).not.toHaveProperty('IfNoneMatch');
  });

  test('is tried again while a racer for the same key is under way, but not for ever', async () => {
    answers = [conflict, conflict, { ETag: '"v1"' }];
    expect(await bucketOf().put('x', body, { ifNoneMatch: true })).toEqual({ etag: '"v1"' });
    sent = [];
    answers = [conflict];
    await expect(bucketOf().put('x', body)).rejects.toMatchObject({ type: 'StorageRefused' });
    expect(sent).toHaveLength(21);
  });

  test('that was sent twice and then refused looks whether it was our own writing that stands there', async () => {
    const lost = refusal('PreconditionFailed', 412, 2);
    answers = [lost, { ETag: '"v1"', Metadata: { sha256 } }];
    expect(await bucketOf().put('x', body, { ifNoneMatch: true })).toEqual({ etag: '"v1"' });
    expect(sent.map(({ name }) => name)).toEqual(['PutObject', 'HeadObject']);
    for (const standing of [{ ETag: '"v2"', Metadata: { sha256: 'other' } }, refusal('NotFound', 404)]) {
      sent = [];
      answers = [lost, standing];
      await expect(bucketOf().put('x', body, { ifNoneMatch: true })).rejects.toMatchObject({
        type: 'PreconditionFailed',
      });
    }
  });

  test('that was sent once and refused was refused, whatever stands there', async () => {
    answers = [refusal('PreconditionFailed', 412), { ETag: '"v1"', Metadata: { sha256 } }];
    await expect(bucketOf().put('x', body, { ifNoneMatch: true })).rejects.toMatchObject({
      type: 'PreconditionFailed',
    });
    expect(sent).toHaveLength(1);
  });
});

describe('reading', () => {
  const modifiedAt = new Date(0);

  test('tells size, version, seal and age of an object as far as the store knows them', async () => {
    answers = [{ ContentLength: 3, ETag: '"v1"', Metadata: { sha256 }, LastModified: modifiedAt }, {}];
    expect(await bucketOf().head('x')).toEqual({ bytes: 3, etag: '"v1"', sha256, modifiedAt });
    expect(await bucketOf().head('x')).toEqual({ bytes: 0, etag: '' });
    expect(sent[0]).toEqual({ name: 'HeadObject', input: { Bucket: 'b', Key: 'x' } });
  });

  test('asks for the beginning of an object where no more is wanted', async () => {
    const stream = Readable.from([body]);
    answers = [{ Body: stream, ContentLength: 3 }];
    expect(await bucketOf().get('x')).toEqual({ bytes: 3, etag: '', body: stream });
    await bucketOf().get('x', 100);
    expect(sent.map(({ input }) => input)).toEqual([
      { Bucket: 'b', Key: 'x' },
      { Bucket: 'b', Key: 'x', Range: 'bytes=0-99' },
    ]);
  });

  test.each(['get', 'head'] as const)(
    'with %s takes an absent object for none, and nothing else',
    async (read) => {
      answers = [refusal('NoSuchKey', 404)];
      expect(await bucketOf()[read]('x')).toBeUndefined();
      answers = [refusal('NoSuchBucket', 404)];
      await expect(bucketOf()[read]('x')).rejects.toMatchObject({ type: 'BucketMissing' });
      answers = [refusal('AccessDenied', 403)];
      await expect(bucketOf({ endpoint: 'http://s3' })[read]('x')).rejects.toMatchObject({
        type: 'StorageCredentials',
        message: expect.stringMatching(/^http:\/\/s3 refused access to s3:\/\/b\/x/) as string,
      });
      await expect(bucketOf()[read]('x')).rejects.toThrow(/^AWS S3 refused access/);
    },
  );

  test('of a list goes through all its pages, with the keys below the prefix', async () => {
    const page = (...keys: string[]) =>
      keys.map((Key) => ({ Key, Size: 1, ETag: 'e', LastModified: modifiedAt }));
    answers = [
      { Contents: page('p/a/1', 'p/a/2'), IsTruncated: true, NextContinuationToken: 't' },
      { Contents: [{ Key: 'p/a/3' }, {}], IsTruncated: false, NextContinuationToken: 'not another' },
    ];
    const listed = [];
    for await (const object of bucketOf({ prefix: 'p' }).list('a/')) listed.push(object);
    expect(listed).toEqual([
      { key: 'a/1', bytes: 1, etag: 'e', modifiedAt },
      { key: 'a/2', bytes: 1, etag: 'e', modifiedAt },
      { key: 'a/3', bytes: 0, etag: '' },
    ]);
    expect(sent).toEqual(
      [undefined, 't'].map((ContinuationToken) => ({
        name: 'ListObjectsV2',
        input: { Bucket: 'b', Prefix: 'p/a/', ContinuationToken },
      })),
    );
    answers = [{}];
    for await (const object of bucketOf().list('')) expect(object).toBeUndefined();
  });

  test('of a list fails with an error of the store, which names the prefix', async () => {
    answers = [refusal('InternalError', 500)];
    const listing = (async () => {
      for await (const object of bucketOf().list('a/')) expect(object).toBeUndefined();
    })();
    await expect(listing).rejects.toMatchObject({
      type: 'StorageUnreachable',
      message: expect.stringContaining('s3://b/a/') as string,
    });
  });
});

test('uploads that nobody feeds any more are aborted, younger ones of others are not', async () => {
  const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000);
  answers = [
    {
      Uploads: [
        { Key: 'p/old', UploadId: '1', Initiated: minutesAgo(61) },
        { Key: 'p/young', UploadId: '2', Initiated: minutesAgo(59) },
        { Key: 'p/of unknown age', UploadId: '3' },
      ],
    },
  ];
  expect(await bucketOf({ prefix: 'p' }).abortDanglingUploads(3600_000)).toBe(2);
  expect(sent).toEqual([
    { name: 'ListMultipartUploads', input: { Bucket: 'b', Prefix: 'p/' } },
    { name: 'AbortMultipartUpload', input: { Bucket: 'b', Key: 'p/old', UploadId: '1' } },
    { name: 'AbortMultipartUpload', input: { Bucket: 'b', Key: 'p/of unknown age', UploadId: '3' } },
  ]);
  sent = [];
  answers = [{}];
  expect(await bucketOf().abortDanglingUploads(0)).toBe(0);
});

test('a bucket that can be used passes, one that is not there or not ours is named', async () => {
  await bucketOf().check();
  expect(sent).toEqual([{ name: 'HeadBucket', input: { Bucket: 'b' } }]);
  answers = [refusal('NotFound', 404)];
  await expect(bucketOf().check()).rejects.toMatchObject({ type: 'BucketMissing' });
  answers = [refusal('Forbidden', 403)];
  await expect(bucketOf().check()).rejects.toMatchObject({ type: 'StorageCredentials' });
});
