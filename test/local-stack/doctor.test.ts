import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { doctor, type Check } from '../../infra/local/doctor.js';
import { carelessS3 } from './careless-s3.js';
import { TEST_NAMESPACE, temporaryDirectory } from './helpers.js';

let home: Awaited<ReturnType<typeof temporaryDirectory>>;

beforeEach(async () => {
  home = await temporaryDirectory();
});
afterEach(() => home.remove());

async function examine(env: Record<string, string>): Promise<Record<string, Check>> {
  const checks = await doctor({
    ...TEST_NAMESPACE,
    home: home.path,
    env: { PATH: process.env['PATH'], RMR1_CACHE: home.path, ...env },
  });
  return Object.fromEntries(checks.map((check) => [check.name, check]));
}

describe('the doctor', () => {
  test('says what to run on a machine where nothing was started', async () => {
    const checks = await examine({});
    expect(checks['temporal']).toMatchObject({
      ok: false,
      fix: expect.stringContaining('rmr1 up') as string,
    });
    expect(checks['s3']).toMatchObject({ ok: false, fix: expect.stringContaining('rmr1 up') as string });
    expect(checks['node']?.ok).toBe(true);
    expect(checks['oracle']?.detail).toContain('OPENAI_API_KEY');
  });

  test('gives every failed check a remedy', async () => {
    const checks = await examine({
      TEMPORAL_ADDRESS: '127.0.0.1:9',
      RMR1_S3_ENDPOINT: 'http://127.0.0.1:9',
      AWS_ACCESS_KEY_ID: 'k',
      AWS_SECRET_ACCESS_KEY: 's',
      RMR1_WEED_BIN: '/nowhere/weed',
    });
    const failed = Object.values(checks).filter(({ ok }) => !ok);
    expect(failed.map(({ name }) => name).sort()).toEqual(['s3', 'temporal', 'weed binary']);
    for (const { detail, fix } of failed) {
      expect(detail).not.toBe('');
      expect(fix).toMatch(/^[A-Z].*\.$/);
    }
  });

  test('refuses a store on which two attempts could overwrite each other', async () => {
    const { endpoint, server } = await carelessS3();
    const checks = await examine({
      RMR1_S3_ENDPOINT: endpoint,
      AWS_ACCESS_KEY_ID: 'k',
      AWS_SECRET_ACCESS_KEY: 's',
    });
    expect(checks['s3']?.ok).toBe(true);
    expect(checks['s3 guarantees']).toMatchObject({
      ok: false,
      detail: 'the store ignores If-None-Match, If-Match, sha256 checksums',
      fix: expect.stringContaining('Use SeaweedFS') as string,
    });
    server.close();
  });

  test('says that worker and oracle have died, and how they come back', async () => {
    const service = (name: string, pid: number) => ({
      name,
      pid,
      startedAt: '0',
      logFile: `${name}.log`,
      ports: [],
      entry: 'main.js',
    });
    const stack = { oracle: { baseUrl: 'http://127.0.0.1:9/v1' }, servers: {} };
    // No process has a number beyond 2^22 on Linux.
    const services = [service('oracle', 2 ** 22 + 1), service('worker', 2 ** 22 + 2)];
    await writeFile(join(home.path, 'stack.json'), JSON.stringify({ version: 1, ...stack, services }));
    const checks = await examine({});
    const fix = expect.stringContaining('rmr1 up') as string;
    expect(checks['worker']).toMatchObject({
      ok: false,
      detail: expect.stringContaining('worker.log') as string,
      fix,
    });
    expect(checks['oracle']).toMatchObject({ ok: false, fix });
  });

  test('never prints a secret', async () => {
    const checks = await examine({ OPENAI_API_KEY: 'sk-verysecret', AWS_SECRET_ACCESS_KEY: 'hush' });
    expect(JSON.stringify(checks)).not.toMatch(/verysecret|hush/);
  });
});
