import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import type { S3Settings } from '../../activities/artifacts/settings.js';
import { settingsFromEnvironment } from '../../activities/artifacts/settings.js';
import { ArtifactStore, type StoreOptions } from '../../activities/artifacts/store.js';
import { resolveBinary } from '../../infra/local/binaries.js';
import { startSeaweed, type SeaweedServer } from '../../infra/local/seaweed.js';

/** What a test file gets: a real S3 below a prefix of its own, and a scratch directory. */
export interface StoreFixture {
  settings: S3Settings;
  store: ArtifactStore;
  dir: string;
  /** Another client of the same bucket, as another process would have. */
  another: (changes?: Partial<S3Settings>, options?: StoreOptions) => ArtifactStore;
}

/**
 * A real SeaweedFS for the tests of one file, or the S3 that `RMR1_S3_ENDPOINT` names. Call it at the top of a
 * test file; the fixture's fields can be read inside tests.
 */
export function useStore(): StoreFixture {
  const fixture = {} as StoreFixture;
  const opened: ArtifactStore[] = [];
  let server: SeaweedServer | undefined;

  beforeAll(async () => {
    fixture.dir = await mkdtemp(join(tmpdir(), 'rmr1-store-'));
    if (!process.env['RMR1_S3_ENDPOINT']) {
      const { path } = await resolveBinary('weed');
      server = await startSeaweed({ binary: path, dir: join(fixture.dir, 's3'), bucket: 'rmr1' });
    }
    const base = server?.settings ?? settingsFromEnvironment();
    fixture.settings = { ...base, prefix: `test-${randomBytes(6).toString('hex')}` };
    fixture.another = (changes = {}, options = {}) => {
      const store = new ArtifactStore({ ...fixture.settings, ...changes }, options);
      opened.push(store);
      return store;
    };
    fixture.store = fixture.another();
  });

  afterAll(async () => {
    for (const store of opened) store.close();
    await server?.stop();
    await rm(fixture.dir, { recursive: true, force: true });
  });
  return fixture;
}

/** A key no other test uses. */
export function freshKey(): string {
  return randomBytes(16).toString('hex');
}
