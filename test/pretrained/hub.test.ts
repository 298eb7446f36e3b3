/** Against a local server that speaks the hub's API, with its faults: cut connections, wrong bytes, no permission. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { downloadFromHub } from '../../activities/pretrained/hub-download.js';

const REVISION = 'a'.repeat(40);
const root = mkdtempSync(join(tmpdir(), 'hub-'));
const bytes = (size: number) => Buffer.from(Array.from({ length: size }, (_, i) => (i * 37) & 255));
const FILES: Record<string, Buffer> = {
  'config.json': Buffer.from('{}'),
  'tokenizer.json': Buffer.from('{"a":1}'),
  'tokenizer_config.json': Buffer.from('{"b":2}'),
  'model.safetensors': bytes(300_000),
  'README.md': Buffer.from('not wanted'),
};
const LARGE = 'model.safetensors';

/** What the server does wrong, and what it was asked. */
let fault: { cutAt?: number; cuts?: number; wrong?: boolean; status?: number; ignoresRange?: boolean } = {};
let asked: { path: string; range?: string | undefined; authorization?: string | undefined }[] = [];
let server: Server;
let endpoint: string;

beforeAll(async () => {
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://hub');
    const { range, authorization } = request.headers;
    asked.push({ path: pathname, range, authorization });
    if (fault.status) return void response.writeHead(fault.status).end();
    if (pathname === `/api/models/me/tiny/revision/${REVISION}`)
      return void response.end(JSON.stringify({ sha: REVISION, siblings: listing() }));
    const name = pathname.replace(`/me/tiny/resolve/${REVISION}/`, '');
    const content = FILES[name];
    if (!content) return void response.writeHead(404).end();
    const from = range && !fault.ignoresRange ? Number(/bytes=(\d+)-/.exec(range)![1]) : 0;
    const body = fault.wrong && name === LARGE ? Buffer.alloc(content.length) : content;
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': content.length - from });
    if (name === LARGE && fault.cutAt !== undefined && (fault.cuts ?? 0) > 0) {
      fault.cuts! -= 1;
      return void response.write(body.subarray(from, from + fault.cutAt), () => response.destroy());
    }
    return void response.end(body.subarray(from));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  fault = {};
  asked = [];
});
afterAll(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(root, { recursive: true });
});

function listing(): object[] {
  return Object.entries(FILES).map(([rfilename, content]) => ({
    rfilename,
    size: content.length,
    ...(rfilename === LARGE
      ? { lfs: { sha256: createHash('sha256').update(content).digest('hex') } }
      : { blobId: createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex') }),
  }));
}

let count = 0;
const fresh = () => join(root, `model-${(count += 1)}`);
const download = (dir: string, name = 'me/tiny') =>
  downloadFromHub(name, REVISION, dir, { endpoint, token: 'secret', retryDelays: [0, 0] });

describe('a model of the hub', () => {
  it('arrives whole, without what the engine does not read, and is not fetched again', async () => {
    const dir = fresh();
    await download(dir);
    for (const [name, content] of Object.entries(FILES))
      if (name === 'README.md') expect(existsSync(join(dir, name))).toBe(false);
      else expect(readFileSync(join(dir, name)).equals(content), name).toBe(true);
    expect(asked.every(({ authorization }) => authorization === 'Bearer secret')).toBe(true);
    asked = [];
    await download(dir);
    expect(asked.map(({ path }) => path)).toEqual([`/api/models/me/tiny/revision/${REVISION}`]);
  });

  it('is resumed where the connection broke', async () => {
    const dir = fresh();
    fault = { cutAt: 100_000, cuts: 2 };
    await download(dir);
    expect(readFileSync(join(dir, LARGE)).equals(FILES[LARGE]!)).toBe(true);
    const ranges = asked.filter(({ path }) => path.endsWith(LARGE)).map(({ range }) => range);
    expect(ranges).toHaveLength(3);
    expect(ranges[0]).toBeUndefined();
    expect(ranges[1]).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it('starts over where the server does not know ranges', async () => {
    const dir = fresh();
    fault = { cutAt: 50_000, cuts: 1, ignoresRange: true };
    await download(dir);
    expect(readFileSync(join(dir, LARGE)).equals(FILES[LARGE]!)).toBe(true);
  });

  it('with other bytes than announced is refused, and nothing of it is kept', async () => {
    const dir = fresh();
    fault = { wrong: true };
    await expect(download(dir)).rejects.toMatchObject({
      type: 'ModelUnavailable',
      message: expect.stringMatching(/model.safetensors of me\/tiny does not have the hash/) as string,
    });
    expect(existsSync(join(dir, LARGE))).toBe(false);
    expect(existsSync(join(dir, `${LARGE}.part`))).toBe(false);
    fault = {};
    await download(dir);
  });

  it('that was damaged on disk is fetched again', async () => {
    const dir = fresh();
    await download(dir);
    writeFileSync(join(dir, LARGE), bytes(300_000).fill(7, 5, 9));
    await download(dir);
    expect(readFileSync(join(dir, LARGE)).equals(FILES[LARGE]!)).toBe(true);
  });

  it.skipIf(!existsSync('/dev/full'))('for which the disk is too small says so, and asks once', async () => {
    const dir = fresh();
    mkdirSync(dir);
    symlinkSync('/dev/full', join(dir, `${LARGE}.part`));
    await expect(download(dir)).rejects.toMatchObject({
      type: 'DiskFull',
      message: expect.stringMatching(/No space left while writing .*safetensors\.part.*RMR1_CACHE/) as string,
    });
    expect(asked.filter(({ path }) => path.endsWith(LARGE))).toHaveLength(1);
  });

  it('that cannot be had says why', async () => {
    await expect(download(fresh(), 'me/other')).rejects.toThrow(/no model me\/other with the revision/);
    fault = { status: 403 };
    await expect(download(fresh())).rejects.toThrow(/set HF_TOKEN/);
    fault = { status: 500 };
    await expect(download(fresh())).rejects.toThrow(/could not be downloaded from .*HTTP 500/);
    expect(asked.filter(({ path }) => path.includes('revision')).length).toBeGreaterThan(3);
  });
});
