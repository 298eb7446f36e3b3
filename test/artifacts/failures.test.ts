import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ArtifactStore } from '../../activities/artifacts/store.js';
import { resolveBinary } from '../../infra/local/binaries.js';
import { startSeaweed, type SeaweedServer } from '../../infra/local/seaweed.js';

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
