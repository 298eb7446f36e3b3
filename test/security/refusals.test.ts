/** What an input, a recipe or a file must not get a worker to do. */
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { assertAllowedUrl } from '../../activities/allowed-url.js';
import { readLines } from '../../activities/dataset/read-lines.js';
import { Endpoint } from '../../activities/evaluation/judges/endpoint.js';
import { checkOracle } from '../../activities/oracle/endpoint.js';
import { loadRecipe } from '../../recipes/load.js';
import { retrainInputSchema } from '../../workflows/retrain-messages.js';

const dir = mkdtempSync(join(tmpdir(), 'rmr1-refusals-'));
afterAll(() => rmSync(dir, { recursive: true }));

describe('an oracle address', () => {
  test.each([
    'http://169.254.169.254/latest/meta-data/',
    'http://[fd00:ec2::254]/',
    'http://metadata.google.internal/v1',
    'http://0.0.0.0:8000/v1',
    // The same address in other spellings.
    'http://2852039166/',
    'http://0xa9fea9fe/',
    'file:///etc/passwd',
    'ftp://host/v1',
    'http://user:pass@host/v1',
    'not a url',
  ])('%s is refused', (address) => {
    expect(() => assertAllowedUrl('oracle.baseUrl', address, {})).toThrow(/oracle\.baseUrl/);
  });

  test('of a listed host passes, any other one does not', () => {
    const env = { RMR1_ALLOWED_HOSTS: 'api.example.com, 10.0.0.7:8000' };
    expect(() => assertAllowedUrl('oracle.baseUrl', 'https://api.example.com/v1', env)).not.toThrow();
    expect(() => assertAllowedUrl('oracle.baseUrl', 'http://10.0.0.7:8000/v1', env)).not.toThrow();
    expect(() => assertAllowedUrl('oracle.baseUrl', 'http://10.0.0.7:22/v1', env)).toThrow(
      /RMR1_ALLOWED_HOSTS/,
    );
    expect(() => assertAllowedUrl('oracle.baseUrl', 'https://api.example.com.evil.test/v1', env)).toThrow(
      /RMR1_ALLOWED_HOSTS/,
    );
    expect(() => assertAllowedUrl('oracle.baseUrl', 'http://127.0.0.1:8900/v1', {})).not.toThrow();
  });
});

test('an override cannot reach a prototype', () => {
  for (const path of [
    '__proto__.polluted',
    'constructor.prototype.polluted',
    'sft.__proto__.polluted',
    '__proto__',
  ]) {
    expect(() => loadRecipe('quickstart', { [path]: 'yes' }), path).toThrow();
    expect(({} as { polluted?: string }).polluted).toBeUndefined();
  }
  const parsed = JSON.parse('{"__proto__": {"steps": 1}}') as Record<string, unknown>;
  expect(() => loadRecipe('quickstart', { grpo: parsed })).toThrow();
  expect(({} as { steps?: number }).steps).toBeUndefined();
});

test('a watched prefix cannot leave its place', () => {
  for (const watch of ['../x', 'a/../../b', '/etc/', 'objects/', 'registry/', 'checkpoints/x', ''])
    expect(retrainInputSchema.safeParse({ watch }).success, watch).toBe(false);
  expect(retrainInputSchema.safeParse({ watch: 'datasets/helpful/' }).success).toBe(true);
});

/** `mib` MiB of blanks, a line each, as a thousandth of that. */
async function bomb(name: string, mib: number): Promise<string> {
  const path = join(dir, name);
  const line = Buffer.alloc(1 << 20, ' ');
  line[line.length - 1] = 0x0a;
  await pipeline(
    Readable.from(Array.from({ length: mib }, () => line)),
    createGzip({ level: constants.Z_BEST_SPEED }),
    createWriteStream(path),
  );
  return path;
}

test('a gzip file that unpacks to a disk full is refused early; a merely repetitive small one is read', async () => {
  let lines = 0;
  const reading = async (path: string) => {
    for await (const _ of readLines(path)) lines += 1;
  };
  await expect(reading(await bomb('bomb.jsonl.gz', 80))).rejects.toThrow(/200 times its size/);
  expect(lines).toBeLessThan(80);
  lines = 0;
  await reading(await bomb('small.jsonl.gz', 8));
  expect(lines).toBe(8);
});

test('an endpoint that redirects leads nowhere', async () => {
  let asked = 0;
  const inside = createServer((_request, response) => {
    asked += 1;
    response.end('{"data": []}');
  }).listen(0, '127.0.0.1');
  await once(inside, 'listening');
  const addressOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const outside = createServer((_request, response) => {
    response.writeHead(307, { location: `${addressOf(inside)}/v1/models` }).end();
  }).listen(0, '127.0.0.1');
  await once(outside, 'listening');
  try {
    const { oracle } = loadRecipe('quickstart', { 'oracle.baseUrl': `${addressOf(outside)}/v1` });
    await expect(checkOracle(oracle)).rejects.toMatchObject({ type: 'OracleUnreachable' });
    expect(asked).toBe(0);
    const metadata = { ...oracle, baseUrl: 'http://169.254.169.254/v1' };
    await expect(checkOracle(metadata)).rejects.toMatchObject({ type: 'InvalidInput' });
    expect(
      () => new Endpoint({ baseUrl: metadata.baseUrl, model: 'm', timeoutSeconds: 1, concurrency: 1 }),
    ).toThrow(/judge\.baseUrl/);
  } finally {
    inside.close();
    outside.close();
  }
});
