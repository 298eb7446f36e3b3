/** A restarting store answers in strange ways for a while: that is ridden out; what will never change is said at once. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createS3Client } from '../../activities/artifacts/s3-client.js';
import { ArtifactStore } from '../../activities/artifacts/store.js';

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
      ...{ region: 'us-east-1', bucket: 'rmr1', forcePathStyle: true },
      ...{ endpoint: `http://127.0.0.1:${port}`, accessKeyId: 'k', secretAccessKey: 's' },
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

describe('the patience of a client', () => {
  const failure = (message: string) => new Error(message) as Error & { cause?: Error };
  const busy = { errorType: 'SERVER_ERROR' as const, error: failure('503') };
  const settings = { region: 'eu-west-1', bucket: 'b', forcePathStyle: true };
  async function patienceOf(patienceMs?: number) {
    const client = createS3Client({ ...settings, ...(patienceMs === undefined ? {} : { patienceMs }) });
    const strategy = await client.config.retryStrategy();
    if (!('recordSuccess' in strategy)) throw new Error('a strategy of another kind');
    return strategy;
  }

  beforeEach(() => {
    vi.useFakeTimers({ now: 0, toFake: ['Date'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('waits twice as long each time, up to two seconds, and not in step with other clients', async () => {
    const strategy = await patienceOf();
    let token = await strategy.acquireInitialRetryToken('');
    expect([token.getRetryCount(), token.getRetryDelay()]).toEqual([0, 0]);
    for (const [count, longest] of [100, 200, 400, 800, 1600, 2000, 2000].entries()) {
      token = await strategy.refreshRetryTokenForRetry(token, busy);
      expect(token.getRetryCount()).toBe(count + 1);
      expect(token.getRetryDelay()).toBeGreaterThanOrEqual(longest / 2);
      expect(token.getRetryDelay()).toBeLessThanOrEqual(longest);
    }
    const first = await strategy.acquireInitialRetryToken('');
    const delays = await Promise.all(
      Array.from({ length: 20 }, async () =>
        (await strategy.refreshRetryTokenForRetry(first, busy)).getRetryDelay(),
      ),
    );
    expect(new Set(delays).size).toBeGreaterThan(10);
  });

  test.each([
    [undefined, 45_000],
    [3_000, 3_000],
  ])('of %s ms ends after %i ms, counted from the first try', async (patienceMs, ends) => {
    const strategy = await patienceOf(patienceMs);
    const first = await strategy.acquireInitialRetryToken('');
    const second = await strategy.refreshRetryTokenForRetry(first, busy);
    vi.setSystemTime(ends - 200);
    const third = await strategy.refreshRetryTokenForRetry(second, busy);
    vi.setSystemTime(ends);
    await expect(strategy.refreshRetryTokenForRetry(third, busy)).rejects.toThrow(
      'not worth another attempt',
    );
  });

  test('is for the store only: what the caller did wrong is not tried again', async () => {
    const strategy = await patienceOf();
    const first = await strategy.acquireInitialRetryToken('');
    const wrong = { errorType: 'CLIENT_ERROR' as const, error: failure('400') };
    await expect(strategy.refreshRetryTokenForRetry(first, wrong)).rejects.toThrow();
    strategy.recordSuccess(first);
    await expect(strategy.refreshRetryTokenForRetry(first, wrong)).rejects.toThrow();
  });

  test('is one of several settings that a client has from the store', async () => {
    const { config } = createS3Client({
      ...{ ...settings, endpoint: 'http://127.0.0.1:1', accessKeyId: 'k', secretAccessKey: 's' },
    });
    expect(await config.region()).toBe('eu-west-1');
    expect(config.forcePathStyle).toBe(true);
    expect(await config.endpoint!()).toMatchObject({ hostname: '127.0.0.1', port: 1 });
    expect(await config.credentials()).toMatchObject({ accessKeyId: 'k', secretAccessKey: 's' });
    expect(await config.responseChecksumValidation()).toBe('WHEN_REQUIRED');
    expect(createS3Client(settings).config.endpoint).toBeUndefined();
  });
});
