import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeStream } from '../../activities/artifacts/local-files.js';
import { settingsFromEnvironment } from '../../activities/artifacts/settings.js';
import { ArtifactStore, storeFromEnvironment } from '../../activities/artifacts/store.js';
import { translateError } from '../../activities/artifacts/translate-error.js';
import { resolveBinary } from '../../infra/local/binaries.js';
import { startSeaweed, type SeaweedServer } from '../../infra/local/seaweed.js';
import { proxyTo } from './proxy.js';

let dir: string;
let server: SeaweedServer;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rmr1-failures-'));
  const { path } = await resolveBinary('weed');
  server = await startSeaweed({ binary: path, dir: join(dir, 's3'), bucket: 'rmr1' });
});
afterAll(async () => {
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

describe('a store killed with -9', () => {
  test('in mid-write loses nothing it acknowledged, and writers ride it out', async () => {
    const store = new ArtifactStore(server.settings);
    const path = join(dir, 'large');
    const large = randomBytes(40 * 1024 * 1024);
    await writeFile(path, large);
    const acknowledged = [];
    for (let i = 0; i < 20; i++) acknowledged.push(await store.putBytes('traces', `before ${i}`));

    const inFlight = Promise.all([
      store.putFile('model', path),
      ...Array.from({ length: 10 }, (_, i) => store.putBytes('traces', `during ${i}`)),
    ]);
    await store.putBytes('traces', 'first of the storm');
    await server.kill9();
    await server.restart();

    for (const ref of [...acknowledged, ...(await inFlight)]) {
      expect((await store.getBytes(ref)).length).toBe(ref.bytes);
    }
    store.close();
  });
});

describe('a store that does not know our key', () => {
  /** Answers as told, one after the other, the last one ever after. */
  async function scripted(...statuses: number[]) {
    let requests = 0;
    const known = createServer((request, response) => {
      const status = statuses[Math.min(requests++, statuses.length - 1)]!;
      request.resume();
      response.writeHead(status, { 'content-type': status === 200 ? 'application/json' : 'application/xml' });
      response.end(status === 200 ? '{}' : '<Error><Code>InvalidAccessKeyId</Code></Error>');
    });
    await new Promise<void>((resolve) => known.listen(0, '127.0.0.1', resolve));
    const { port } = known.address() as AddressInfo;
    const store = new ArtifactStore({
      ...server.settings,
      endpoint: `http://127.0.0.1:${port}`,
      patienceMs: 3_000,
    });
    const close = () => {
      store.close();
      known.close();
    };
    return { store, requests: () => requests, close };
  }

  test('says so at once where it never knew it', async () => {
    const { store, requests, close } = await scripted(403);
    await expect(store.getJson('leases/x.json')).rejects.toMatchObject({ type: 'StorageCredentials' });
    expect(requests()).toBe(1);
    close();
  });

  test('is asked again where it took the key before', async () => {
    const { store, requests, close } = await scripted(200, 403, 403, 200);
    await store.getJson('leases/x.json');
    await store.getJson('leases/x.json');
    expect(requests()).toBe(4);
    close();
  });

  test('says so in the end, where the key was taken away for good', async () => {
    const { store, requests, close } = await scripted(200, 403);
    await store.getJson('leases/x.json');
    await expect(store.getJson('leases/x.json')).rejects.toMatchObject({ type: 'StorageCredentials' });
    expect(requests()).toBeGreaterThan(2);
    close();
  });
});

describe('a connection that breaks inside an object', () => {
  test('is read again from the start, not taken for corruption', async () => {
    const direct = new ArtifactStore(server.settings);
    const body = randomBytes(3 * 1024 * 1024);
    const ref = await direct.putBytes('model', body);
    let cuts = 0;
    const proxy = await proxyTo(server.settings.endpoint!, {
      cutAfter: (bytes) => bytes > 1_000_000 && cuts < 2 && Boolean(++cuts),
    });
    const store = new ArtifactStore({ ...server.settings, endpoint: proxy.endpoint });
    expect((await store.getBytes(ref)).equals(body)).toBe(true);
    expect(cuts).toBe(2);
    store.close();
    direct.close();
    proxy.close();
  });
});

describe('no credentials at all', () => {
  test('are not called a refusal: both ways on are named', () => {
    const error = Object.assign(new Error('Could not load credentials from any providers'), {
      name: 'CredentialsProviderError',
    });
    expect(translateError(error, { endpoint: 'AWS S3', bucket: 'b', uri: 's3://b/x' })).toMatchObject({
      type: 'StorageCredentials',
      message: expect.stringMatching(/No credentials for AWS S3.*AWS_ACCESS_KEY_ID.*rmr1 up/) as string,
    });
  });
});

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
});

describe('settings from the environment', () => {
  test('point at a self-hosted store with its keys', () => {
    expect(
      settingsFromEnvironment({
        RMR1_S3_ENDPOINT: 'http://127.0.0.1:8333',
        RMR1_S3_BUCKET: 'b',
        RMR1_S3_PREFIX: 'team/',
        AWS_ACCESS_KEY_ID: 'k',
        AWS_SECRET_ACCESS_KEY: 's',
      }),
    ).toEqual({
      endpoint: 'http://127.0.0.1:8333',
      bucket: 'b',
      prefix: 'team/',
      region: 'us-east-1',
      forcePathStyle: true,
      accessKeyId: 'k',
      secretAccessKey: 's',
    });
  });

  test('leave temporary and profile credentials to the standard chain', () => {
    const settings = settingsFromEnvironment({
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'k',
      AWS_SECRET_ACCESS_KEY: 's',
      AWS_SESSION_TOKEN: 't',
    });
    expect(settings).toEqual({ bucket: 'rmr1', region: 'eu-west-1', forcePathStyle: false });
  });

  test('that cannot be used are named', () => {
    expect(() => settingsFromEnvironment({ RMR1_S3_ENDPOINT: '127.0.0.1:8333' })).toThrow(
      /RMR1_S3_ENDPOINT.*http/,
    );
    expect(() => settingsFromEnvironment({ RMR1_S3_PATIENCE_MS: 'long' })).toThrow(/RMR1_S3_PATIENCE_MS/);
  });

  test('make a working store', async () => {
    const { endpoint, bucket, accessKeyId, secretAccessKey } = server.settings;
    const store = storeFromEnvironment({
      RMR1_S3_ENDPOINT: endpoint,
      RMR1_S3_BUCKET: bucket,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      RMR1_ARTIFACT_CACHE: '',
    });
    await store.check();
    store.close();
  });
});
