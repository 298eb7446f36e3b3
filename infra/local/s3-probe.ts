import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { randomBytes } from 'node:crypto';
import { createS3Client } from '../../activities/artifacts/s3-client.js';
import type { S3Settings } from '../../activities/artifacts/settings.js';
import { codeOf, statusOf, translateError } from '../../activities/artifacts/translate-error.js';

const PROBE_KEY = 'rmr1-probe';

/** Creates the bucket unless it exists. */
export async function ensureBucket(settings: S3Settings): Promise<void> {
  await withClient(settings, async (client) => {
    try {
      await client.send(new CreateBucketCommand({ Bucket: settings.bucket }));
    } catch (error) {
      if (!['BucketAlreadyOwnedByYou', 'BucketAlreadyExists'].includes(codeOf(error))) throw error;
    }
  });
}

/** One object written and read back: a health page may say 200 while reads still fail. */
export async function probeReadWrite(settings: S3Settings): Promise<void> {
  await withClient(settings, async (client) => {
    const key = { Bucket: settings.bucket, Key: `${settings.prefix ?? ''}${PROBE_KEY}` };
    const body = randomBytes(16).toString('hex');
    await client.send(new PutObjectCommand({ ...key, Body: body }));
    const answer = await client.send(new GetObjectCommand(key));
    if ((await answer.Body?.transformToString()) !== body)
      throw new Error('the probe object came back changed');
  });
}

/** What a store must do beyond storing. */
export interface StoreGuarantees {
  /** A second `If-None-Match: *` write is refused. */
  conditionalWrites: boolean;
  /** An `If-Match` write on an old version is refused. */
  compareAndSwap: boolean;
  /** A body that is not what its sha256 header says is refused. */
  checksums: boolean;
}

/** Tries each guarantee on a probe object of its own and removes it. */
export async function probeGuarantees(settings: S3Settings): Promise<StoreGuarantees> {
  return withClient(settings, async (client) => {
    const key = {
      Bucket: settings.bucket,
      Key: `${settings.prefix ?? ''}${PROBE_KEY}-${randomBytes(8).toString('hex')}`,
    };
    const refusedWith = async (status: number, extra: object): Promise<boolean> => {
      try {
        await client.send(new PutObjectCommand({ ...key, Body: randomBytes(8), ...extra }));
        return false;
      } catch (error) {
        if (statusOf(error) === status) return true;
        throw error;
      }
    };
    try {
      const { ETag } = await client.send(new PutObjectCommand({ ...key, Body: 'a', IfNoneMatch: '*' }));
      const conditionalWrites = await refusedWith(412, { IfNoneMatch: '*' });
      await client.send(new PutObjectCommand({ ...key, Body: 'b' }));
      const compareAndSwap = await refusedWith(412, { IfMatch: ETag });
      const checksums = await refusedWith(400, { ChecksumSHA256: randomBytes(32).toString('base64') });
      return { conditionalWrites, compareAndSwap, checksums };
    } finally {
      await client.send(new DeleteObjectCommand(key));
    }
  });
}

async function withClient<T>(settings: S3Settings, use: (client: S3Client) => Promise<T>): Promise<T> {
  const client = createS3Client(settings);
  try {
    return await use(client);
  } catch (error) {
    throw translateError(error, {
      endpoint: settings.endpoint ?? 'AWS S3',
      bucket: settings.bucket,
      uri: `s3://${settings.bucket}/${settings.prefix ?? ''}`,
    });
  } finally {
    client.destroy();
  }
}
