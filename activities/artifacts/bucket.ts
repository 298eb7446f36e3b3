import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { crashPoint } from '../../engine/crash-point.js';
import { StoreError, missing } from './errors.js';
import { hexToBase64, sha256Hex } from './hashing.js';
import { createS3Client } from './s3-client.js';
import type { S3Settings, ServerSideEncryption } from './settings.js';
import { codeOf, statusOf, translateError, wasRetried } from './translate-error.js';

/** Files larger than this go up in parts of this size. */
export const PART_BYTES = 16 * 1024 * 1024;
const PARTS_IN_FLIGHT = 3;
const CONFLICT_RETRIES = 20;

/** At most one of the two: write only over that version, or only where nothing is. */
export type WriteCondition = { ifMatch: string } | { ifNoneMatch: true } | undefined;

export interface StoredObject {
  bytes: number;
  etag: string;
  /** sha256 the writer sealed the object with, if it did. */
  sha256?: string;
  modifiedAt?: Date;
}

export interface ListedObject {
  key: string;
  bytes: number;
  /** Changes with the content. */
  etag: string;
  modifiedAt?: Date;
}

/** One bucket (below an optional prefix): the few S3 operations the store is made of, with our errors. */
export class Bucket {
  readonly client: S3Client;
  readonly name: string;
  private readonly prefix: string;
  private readonly endpoint: string;
  private readonly encryption: { ServerSideEncryption?: ServerSideEncryption };

  constructor(settings: S3Settings) {
    this.client = createS3Client(settings);
    this.name = settings.bucket;
    this.prefix = settings.prefix ? settings.prefix.replace(/^\/+|\/+$/g, '') + '/' : '';
    this.endpoint = settings.endpoint ?? 'AWS S3';
    const { serverSideEncryption } = settings;
    this.encryption = serverSideEncryption ? { ServerSideEncryption: serverSideEncryption } : {};
  }

  /** `s3://bucket/prefix/key`. */
  uri(key: string): string {
    return `s3://${this.name}/${this.prefix}${key}`;
  }

  /**
   * The key of an object of this bucket from its uri.
   *
   * @throws StoreError `StorageSettings` if the uri points elsewhere.
   */
  keyOf(uri: string): string {
    const root = this.uri('');
    if (!uri.startsWith(root)) {
      throw new StoreError(
        'StorageSettings',
        `${uri} is not below ${root}. Set RMR1_S3_BUCKET and RMR1_S3_PREFIX to where that run stored its artefacts.`,
      );
    }
    return uri.slice(root.length);
  }

  /**
   * Writes a whole object with its sha256, which the store checks on arrival and keeps as metadata.
   *
   * @throws StoreError `PreconditionFailed` if `condition` does not hold.
   */
  async put(key: string, body: Uint8Array, condition?: WriteCondition): Promise<{ etag: string }> {
    const sha256 = sha256Hex(body);
    await crashPoint(`put.before:${key}`);
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = await this.client.send(
          new PutObjectCommand({
            Bucket: this.name,
            Key: this.prefix + key,
            Body: body,
            ChecksumSHA256: hexToBase64(sha256),
            Metadata: { sha256 },
            ...this.encryption,
            ...conditionHeaders(condition),
          }),
        );
        await crashPoint(`put.after:${key}`);
        return { etag: answer.ETag ?? '' };
      } catch (error) {
        // AWS answers 409 when a racer's conditional write is still in flight: neither won nor lost.
        if (statusOf(error) === 409 && attempt < CONFLICT_RETRIES) continue;
        if (statusOf(error) === 412 && wasRetried(error)) {
          const own = await this.head(key);
          if (own?.sha256 === sha256) return { etag: own.etag };
        }
        throw this.translate(error, key);
      }
    }
  }

  /**
   * Writes a large object in parts. The body is hashed on its way; if it is not what `sha256` promised, the
   * upload is aborted and no object appears.
   */
  async putParts(
    key: string,
    body: AsyncIterable<Uint8Array>,
    expected: { sha256: string; bytes: number },
    condition?: WriteCondition,
  ): Promise<void> {
    const upload = new Upload({
      client: this.client,
      partSize: Math.max(PART_BYTES, Math.ceil(expected.bytes / 10_000)),
      queueSize: PARTS_IN_FLIGHT,
      params: {
        Bucket: this.name,
        Key: this.prefix + key,
        Body: Readable.from(body, { objectMode: false }),
        ContentLength: expected.bytes,
        ChecksumAlgorithm: 'SHA256',
        Metadata: { sha256: expected.sha256 },
        ...this.encryption,
        ...conditionHeaders(condition),
      },
    });
    try {
      await upload.done();
    } catch (error) {
      throw this.translate(error, key);
    }
  }

  /** The object as a stream, or `undefined` where there is none; with `firstBytes` only its beginning. */
  async get(key: string, firstBytes?: number): Promise<(StoredObject & { body: Readable }) | undefined> {
    try {
      const answer = await this.client.send(
        new GetObjectCommand({
          Bucket: this.name,
          Key: this.prefix + key,
          ...(firstBytes === undefined ? {} : { Range: `bytes=0-${firstBytes - 1}` }),
        }),
      );
      return { ...describe(answer), body: answer.Body as Readable };
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw this.translate(error, key);
    }
  }

  /** Size, version and seal of an object, or `undefined` where there is none. */
  async head(key: string): Promise<StoredObject | undefined> {
    try {
      return describe(
        await this.client.send(new HeadObjectCommand({ Bucket: this.name, Key: this.prefix + key })),
      );
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw this.translate(error, key);
    }
  }

  /** Every object whose key starts with `prefix`, in key order. */
  async *list(prefix: string): AsyncGenerator<ListedObject> {
    let token: string | undefined;
    do {
      const page = await this.run(prefix, () =>
        this.client.send(
          new ListObjectsV2Command({
            Bucket: this.name,
            Prefix: this.prefix + prefix,
            ContinuationToken: token,
          }),
        ),
      );
      for (const { Key, Size, ETag, LastModified } of page.Contents ?? []) {
        if (Key === undefined) continue;
        yield {
          key: Key.slice(this.prefix.length),
          bytes: Size ?? 0,
          etag: ETag ?? '',
          ...(LastModified ? { modifiedAt: LastModified } : {}),
        };
      }
      token = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (token);
  }

  /** Deletes an object; an absent one is not an error. */
  async delete(key: string): Promise<void> {
    await this.run(key, () =>
      this.client.send(new DeleteObjectCommand({ Bucket: this.name, Key: this.prefix + key })),
    );
  }

  /**
   * Aborts multipart uploads that a killed process left behind.
   *
   * @param olderThanMs spares uploads begun more recently, which another process may still be feeding.
   * @returns how many were aborted.
   */
  async abortDanglingUploads(olderThanMs: number): Promise<number> {
    const page = await this.run('', () =>
      this.client.send(new ListMultipartUploadsCommand({ Bucket: this.name, Prefix: this.prefix })),
    );
    const stale = (page.Uploads ?? []).filter(
      ({ Initiated }) => !Initiated || Date.now() - Initiated.getTime() >= olderThanMs,
    );
    for (const { Key, UploadId } of stale) {
      await this.run(Key ?? '', () =>
        this.client.send(new AbortMultipartUploadCommand({ Bucket: this.name, Key, UploadId })),
      );
    }
    return stale.length;
  }

  /** Fails with the right {@link StoreError} unless the bucket is there and these keys may use it. */
  async check(): Promise<void> {
    try {
      await this.client.send(new HeadBucketCommand({ Bucket: this.name }));
    } catch (error) {
      throw this.translate(
        statusOf(error) === 404 ? Object.assign(new Error('no bucket'), { name: 'NoSuchBucket' }) : error,
        '',
      );
    }
  }

  /** The failure of a read whose object ought to be there. */
  missing(key: string): StoreError {
    return missing(this.uri(key));
  }

  translate(error: unknown, key: string): StoreError {
    return translateError(error, { endpoint: this.endpoint, bucket: this.name, uri: this.uri(key) });
  }

  /** Closes idle connections. */
  close(): void {
    this.client.destroy();
  }

  private async run<T>(key: string, request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw this.translate(error, key);
    }
  }
}

function conditionHeaders(condition: WriteCondition): { IfMatch?: string; IfNoneMatch?: string } {
  if (!condition) return {};
  return 'ifMatch' in condition ? { IfMatch: condition.ifMatch } : { IfNoneMatch: '*' };
}

function describe(answer: {
  ContentLength?: number | undefined;
  ETag?: string | undefined;
  LastModified?: Date | undefined;
  Metadata?: Record<string, string> | undefined;
}): StoredObject {
  const sha256 = answer.Metadata?.['sha256'];
  return {
    bytes: answer.ContentLength ?? 0,
    etag: answer.ETag ?? '',
    ...(sha256 ? { sha256 } : {}),
    ...(answer.LastModified ? { modifiedAt: answer.LastModified } : {}),
  };
}

/** A missing key; a missing bucket also answers 404 but is the user's to mend. */
function isAbsent(error: unknown): boolean {
  return statusOf(error) === 404 && codeOf(error) !== 'NoSuchBucket';
}
