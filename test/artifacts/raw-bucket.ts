import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { createS3Client } from '../../activities/artifacts/s3-client.js';
import type { S3Settings } from '../../activities/artifacts/settings.js';

function keyOf(settings: S3Settings, key: string): string {
  return `${settings.prefix ?? ''}/${key}`;
}

/** Overwrites an object behind the store's back, as a failing disk or a stray tool would. */
export async function vandalise(settings: S3Settings, key: string, body: Uint8Array | string): Promise<void> {
  const client = createS3Client(settings);
  await client.send(new PutObjectCommand({ Bucket: settings.bucket, Key: keyOf(settings, key), Body: body }));
  client.destroy();
}

/** A multipart upload of which one part arrived before its writer died. */
export async function abandonUpload(settings: S3Settings, key: string): Promise<void> {
  const client = createS3Client(settings);
  const target = { Bucket: settings.bucket, Key: keyOf(settings, key) };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
  await client.send(
    new UploadPartCommand({ ...target, UploadId, PartNumber: 1, Body: Buffer.alloc(5 * 1024 * 1024) }),
  );
  client.destroy();
}

/** Keys with unfinished uploads. */
export async function unfinishedUploads(settings: S3Settings): Promise<string[]> {
  const client = createS3Client(settings);
  const page = await client.send(
    new ListMultipartUploadsCommand({ Bucket: settings.bucket, Prefix: `${settings.prefix ?? ''}/` }),
  );
  client.destroy();
  return (page.Uploads ?? []).map(({ Key }) => Key ?? '');
}
