/** An error of the store says what to do, under a type that retry policies and exit codes refer to. */
import { describe, expect, test } from 'vitest';
import { StoreError, corrupt, isStoreError, missing } from '../../activities/artifacts/errors.js';
import {
  codeOf,
  isNetworkError,
  translateError,
  wasRetried,
} from '../../activities/artifacts/translate-error.js';

const context = { endpoint: 'http://s3', bucket: 'b', uri: 's3://b/x' };

/** As the SDK throws it: `name` is the service's code. */
function refusal(name: string, httpStatusCode?: number, attempts?: number): Error {
  return Object.assign(new Error(`${name} it is`), { name, $metadata: { httpStatusCode, attempts } });
}

describe('a failed request', () => {
  test.each([
    ['NoSuchBucket', 404, 'BucketMissing', /^Bucket "b" does not exist at http:\/\/s3\. .*RMR1_S3_BUCKET\.$/],
    [
      'AccessDenied',
      403,
      'StorageCredentials',
      /^http:\/\/s3 refused access to s3:\/\/b\/x \(AccessDenied\)\./,
    ],
    ['Whatever', 401, 'StorageCredentials', /AWS_ACCESS_KEY_ID .* bucket "b"\.$/],
    ['InvalidAccessKeyId', 400, 'StorageCredentials', /\(InvalidAccessKeyId\)/],
    ['SignatureDoesNotMatch', 400, 'StorageCredentials', /\(SignatureDoesNotMatch\)/],
    ['ExpiredToken', 400, 'StorageCredentials', /\(ExpiredToken\)/],
    ['InvalidToken', 400, 'StorageCredentials', /\(InvalidToken\)/],
    [
      'PreconditionFailed',
      412,
      'PreconditionFailed',
      /^s3:\/\/b\/x was changed by another writer\. Read it again/,
    ],
    [
      'InternalError',
      500,
      'StorageUnreachable',
      /^S3 at http:\/\/s3 keeps answering 500 \(InternalError\) for s3:/,
    ],
    ['TooManyRequests', 429, 'StorageUnreachable', /keeps answering 429/],
    [
      'InvalidRequest',
      400,
      'StorageRefused',
      /refused s3:\/\/b\/x with 400 \(InvalidRequest: InvalidRequest it is\)/,
    ],
    ['NotImplemented', 499, 'StorageRefused', /conditional writes and sha256 checksums\.$/],
  ])('%s with status %i is %s', (name, status, type, message) => {
    const error = refusal(name, status);
    expect(translateError(error, context)).toMatchObject({ type, name: type, cause: error });
    expect(translateError(error, context).message).toMatch(message);
  });

  test('without any credentials is not called a refusal: both ways on are named', () => {
    const error = translateError(refusal('CredentialsProviderError'), { ...context, endpoint: 'AWS S3' });
    expect(error).toMatchObject({
      type: 'StorageCredentials',
      message: expect.stringMatching(/No credentials for AWS S3.*AWS_ACCESS_KEY_ID.*rmr1 up/) as string,
    });
    expect(error.cause).toBeInstanceOf(Error);
  });

  test.each([
    ...['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND'],
    ...['EAI_AGAIN', 'ERR_STREAM_PREMATURE_CLOSE', 'TimeoutError', 'RequestTimeout'],
  ])('by %s never reached the store, or lost it in mid-answer', (code) => {
    for (const error of [
      Object.assign(new Error('socket'), { code }),
      Object.assign(new Error('socket'), { name: code, $metadata: { httpStatusCode: 200 } }),
    ]) {
      expect(isNetworkError(error)).toBe(true);
      expect(translateError(error, context)).toMatchObject({
        type: 'StorageUnreachable',
        message: `Cannot reach S3 at http://s3 (${code}: socket). Start it with "rmr1 up", or set RMR1_S3_ENDPOINT to a running one.`,
        cause: error,
      });
    }
  });

  test('that the client broke off, or that is no error at all, did not reach the store either', () => {
    expect(isNetworkError(new Error('aborted'))).toBe(true);
    expect(isNetworkError(new Error('other'))).toBe(false);
    expect(isNetworkError(undefined)).toBe(false);
    for (const thrown of ['text', undefined])
      expect(translateError(thrown, context)).toMatchObject({
        type: 'StorageUnreachable',
        message: expect.stringContaining(`(Unknown: ${thrown})`) as string,
      });
  });

  test('keeps the type that it has already', () => {
    const error = missing('s3://b/x');
    expect(translateError(error, context)).toBe(error);
  });

  test('is called what the service calls it, before the socket and the SDK', () => {
    const error = Object.assign(new Error(''), { name: 'sdk', code: 'socket', Code: 'service' });
    expect(codeOf(error)).toBe('service');
    expect(codeOf({ name: 'sdk', code: 'socket' })).toBe('socket');
    expect(codeOf({ name: 'sdk' })).toBe('sdk');
  });

  test('may answer an earlier sending of the same request only where there was one', () => {
    expect(
      [refusal('x', 412, 2), refusal('x', 412, 1), refusal('x', 412), undefined].map(wasRetried),
    ).toEqual([true, false, false, false]);
  });
});

describe('an error of the store', () => {
  test('is told from others by its type, whatever module it came from', () => {
    const error = new StoreError('Fenced', 'x');
    const copy = Object.assign(new Error('x'), { type: 'Fenced' });
    expect([error, copy].map((one) => [isStoreError(one), isStoreError(one, 'Fenced')])).toEqual([
      [true, true],
      [true, true],
    ]);
    expect(isStoreError(error, 'DiskFull')).toBe(false);
    expect(
      [new Error('x'), Object.assign(new Error('x'), { type: 'Else' }), { type: 'Fenced' }, undefined].map(
        (one) => isStoreError(one),
      ),
    ).toEqual([false, false, false, false]);
  });

  test('names the object, and what to do about it', () => {
    expect(corrupt('s3://b/x', 'it is short')).toMatchObject({
      type: 'CorruptArtifact',
      message: 's3://b/x is corrupt: it is short. Delete that object and run the stage that made it again.',
    });
    expect(missing('s3://b/x')).toMatchObject({
      type: 'ArtifactMissing',
      message: expect.stringMatching(
        /^s3:\/\/b\/x does not exist\. Check that the bucket and prefix/,
      ) as string,
    });
  });
});
