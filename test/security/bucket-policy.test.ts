/** The policy for the bucket names every action that the code's requests need, and no other; writes ask for encryption where it is set. */
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { settingsFromEnvironment } from '../../activities/artifacts/settings.js';
import { ArtifactStore } from '../../activities/artifacts/store.js';
import { projectRoot } from '../../infra/environment.js';

/** What each request needs (S3's own table of actions); a HEAD of an absent object needs to list as well. */
const ACTIONS: Record<string, string[]> = {
  HeadBucket: ['s3:ListBucket'],
  ListObjectsV2: ['s3:ListBucket'],
  ListMultipartUploads: ['s3:ListBucketMultipartUploads'],
  GetObject: ['s3:GetObject'],
  HeadObject: ['s3:GetObject', 's3:ListBucket'],
  PutObject: ['s3:PutObject'],
  DeleteObject: ['s3:DeleteObject'],
  AbortMultipartUpload: ['s3:AbortMultipartUpload'],
};

test('the policy allows what the store asks for, and nothing else', async () => {
  const source = await readFile(join(projectRoot(), 'activities/artifacts/bucket.ts'), 'utf8');
  const sent = new Set([...source.matchAll(/new (\w+)Command\(/g)].map(([, name]) => name!));
  expect(sent.size).toBeGreaterThan(5);
  expect([...sent].filter((name) => !(name in ACTIONS))).toEqual([]);
  // Uploads in parts are put, and aborted where they fail.
  expect(source).toContain('new Upload(');
  const needed = new Set([
    ...[...sent].flatMap((name) => ACTIONS[name]!),
    's3:PutObject',
    's3:AbortMultipartUpload',
  ]);
  const policy = JSON.parse(await readFile(join(projectRoot(), 'infra/s3-policy.json'), 'utf8')) as {
    Statement: { Effect: string; Action: string[]; Resource: string }[];
  };
  const granted = policy.Statement.flatMap(({ Action }) => Action);
  expect(granted.sort()).toEqual([...needed].sort());
  for (const { Effect, Action, Resource } of policy.Statement) {
    expect(Effect).toBe('Allow');
    const ofBucket = Action.every((action) => action.startsWith('s3:ListBucket'));
    expect(Resource).toBe(ofBucket ? 'arn:aws:s3:::BUCKET' : 'arn:aws:s3:::BUCKET/*');
  }
});

test('writes name the encryption that is set, and none where none is', async () => {
  const seen: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    seen.push(request.headers);
    request.resume().on('end', () => response.setHeader('ETag', '"x"').end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const env = {
    RMR1_S3_ENDPOINT: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    AWS_ACCESS_KEY_ID: 'a',
    AWS_SECRET_ACCESS_KEY: 'b',
  };
  try {
    for (const more of [{}, { RMR1_S3_SSE: 'aws:kms' }]) {
      const store = new ArtifactStore(settingsFromEnvironment({ ...env, ...more }));
      await store.putBytes('outputs', 'content');
      store.close();
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
  expect(seen.map((headers) => headers['x-amz-server-side-encryption'])).toEqual([undefined, 'aws:kms']);
  expect(() => settingsFromEnvironment({ ...env, RMR1_S3_SSE: 'rot13' })).toThrow(/RMR1_S3_SSE/);
});
