import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isStoreError } from '../../activities/artifacts/errors.js';
import type { WriteCondition } from '../../activities/artifacts/bucket.js';
import { storeFromEnvironment } from '../../activities/artifacts/store.js';
import { vandalise } from './raw-bucket.js';
import { freshKey, useStore } from './shared-store.js';

const s3 = useStore();
const RACERS = 20;

async function outcome(write: Promise<unknown>): Promise<string> {
  return write.then(
    () => 'won',
    (error: unknown) => (isStoreError(error) ? error.type : String(error)),
  );
}

describe('twenty racers', () => {
  test('for an absent record have one winner, and its value stands', async () => {
    const key = `race/${freshKey()}`;
    const outcomes = await Promise.all(
      Array.from({ length: RACERS }, (_, owner) =>
        outcome(s3.another().putJson(key, { owner }, { ifNoneMatch: true })),
      ),
    );
    expect(outcomes.filter((result) => result === 'won')).toHaveLength(1);
    expect(outcomes.filter((result) => result === 'PreconditionFailed')).toHaveLength(RACERS - 1);
    expect((await s3.store.getJson(key))?.value).toEqual({ owner: outcomes.indexOf('won') });
  });

  test('for one version of a record have one winner', async () => {
    const key = `race/${freshKey()}`;
    const { etag } = await s3.store.putJson(key, { owner: 'nobody' });
    const outcomes = await Promise.all(
      Array.from({ length: RACERS }, (_, owner) =>
        outcome(s3.another().putJson(key, { owner }, { ifMatch: etag })),
      ),
    );
    expect(outcomes.filter((result) => result === 'won')).toHaveLength(1);
    expect((await s3.store.getJson(key))?.value).toEqual({ owner: outcomes.indexOf('won') });
  });

  test('that increment by read and swap lose no increment', async () => {
    const key = `race/${freshKey()}`;
    await s3.store.putJson(key, { n: 0 });
    const increment = async (): Promise<void> => {
      for (;;) {
        const record = await s3.store.getJson(key);
        const n = (record?.value as { n: number }).n + 1;
        const result = await outcome(
          s3.store.putJson(key, { n, by: freshKey() }, { ifMatch: record?.etag ?? '' }),
        );
        if (result === 'won') return;
      }
    };
    await Promise.all(Array.from({ length: RACERS }, increment));
    expect((await s3.store.getJson(key))?.value).toMatchObject({ n: RACERS });
  });
});

describe('a record', () => {
  test('that was damaged is corrupt, not a value', async () => {
    const key = `record/${freshKey()}`;
    await s3.store.putJson(key, { sound: true });
    await vandalise(s3.settings, key, '{"sound":');
    await expect(s3.store.getJson(key)).rejects.toMatchObject({ type: 'CorruptArtifact' });
  });

  test('that was never written is undefined', async () => {
    expect(await s3.store.getJson(`record/${freshKey()}`)).toBeUndefined();
  });
});

describe('what others wrote', () => {
  test('is listed with a version that changes with it, and opened as it is', async () => {
    const prefix = `theirs/${freshKey()}/`;
    await vandalise(s3.settings, `${prefix}a`, 'one');
    await vandalise(s3.settings, `${prefix}b`, 'three');
    const listed = async () => {
      const found: { key: string; version: string; bytes: number }[] = [];
      for await (const each of s3.store.listVersions(prefix)) found.push(each);
      return found;
    };
    const before = await listed();
    expect(before.map(({ key, bytes }) => [key, bytes])).toEqual([
      [`${prefix}a`, 3],
      [`${prefix}b`, 5],
    ]);
    await vandalise(s3.settings, `${prefix}a`, 'two');
    const after = await listed();
    expect([after[0]!.version === before[0]!.version, after[1]!.version === before[1]!.version]).toEqual([
      ...[false, true],
    ]);
    expect(await text(await s3.store.openObject(`${prefix}a`))).toBe('two');
    await expect(s3.store.openObject(`${prefix}c`)).rejects.toMatchObject({ type: 'ArtifactMissing' });
  });
});

describe('a segment', () => {
  test('is written once and read whole or by its beginning', async () => {
    const key = `log/${freshKey()}`;
    await s3.store.putSegment(key, Buffer.from('answers'), { ifNoneMatch: true });
    await expect(s3.store.putSegment(key, Buffer.from('x'), { ifNoneMatch: true })).rejects.toMatchObject({
      type: 'PreconditionFailed',
    });
    expect((await s3.store.getSegment(key))?.toString()).toBe('answers');
    expect((await s3.store.getSegment(key, 3))?.toString()).toBe('ans');
  });
});

describe('settings', () => {
  const environment = (changes: NodeJS.ProcessEnv): NodeJS.ProcessEnv => {
    const { endpoint, bucket, accessKeyId, secretAccessKey } = s3.settings;
    return {
      RMR1_S3_ENDPOINT: endpoint,
      RMR1_S3_BUCKET: bucket,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      ...changes,
    };
  };

  test('of the environment work', async () => {
    const store = storeFromEnvironment(environment({ RMR1_ARTIFACT_CACHE: '' }));
    await store.check();
    store.close();
  });

  test('say where copies are kept on this machine, or that none are', async () => {
    const dir = join(s3.dir, freshKey());
    const copies = async (changes: NodeJS.ProcessEnv) => {
      const store = storeFromEnvironment(environment(changes));
      const ref = await store.putBytes('outputs', freshKey());
      await store.getFile(ref, join(dir, 'target'));
      store.close();
      const found = await readdir(dir, { recursive: true });
      await rm(dir, { recursive: true });
      return found.filter((path) => path.endsWith(ref.sha256)).map((path) => path.slice(0, -68));
    };
    expect(await copies({ RMR1_CACHE: dir })).toEqual(['artifacts']);
    expect(await copies({ RMR1_CACHE: dir, RMR1_ARTIFACT_CACHE: join(dir, 'here') })).toEqual(['here']);
    expect(await copies({ RMR1_CACHE: dir, RMR1_ARTIFACT_CACHE: '' })).toEqual([]);
  });
});

/** One step a program might take on a few records. */
type Step =
  | { do: 'put'; key: number; value: number }
  | { do: 'create'; key: number; value: number }
  | { do: 'swap'; key: number; value: number; stale: boolean }
  | { do: 'delete'; key: number }
  | { do: 'read'; key: number }
  | { do: 'list' };

const key = fc.nat({ max: 2 });
const value = fc.nat({ max: 999 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('put' as const), key, value }),
  fc.record({ do: fc.constant('create' as const), key, value }),
  fc.record({ do: fc.constant('swap' as const), key, value, stale: fc.boolean() }),
  fc.record({ do: fc.constant('delete' as const), key }),
  fc.record({ do: fc.constant('read' as const), key }),
  fc.record({ do: fc.constant('list' as const) }),
);

test('any sequence of writes, swaps and deletes leaves what a Map would hold', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 15 }), async (steps) => {
      const root = `model/${freshKey()}/`;
      const model = new Map<number, { value: number; etag: string }>();
      const write = async (
        k: number,
        v: number,
        condition: WriteCondition,
        allowed: boolean,
      ): Promise<void> => {
        const result = await s3.store.putJson(`${root}${k}`, { v }, condition).then(
          ({ etag }) => ({ etag }),
          (error: unknown) => {
            if (!isStoreError(error, 'PreconditionFailed')) throw error;
            return undefined;
          },
        );
        expect(result !== undefined).toBe(allowed);
        if (result) model.set(k, { value: v, etag: result.etag });
      };

      for (const s of steps) {
        const standing = 'key' in s ? model.get(s.key) : undefined;
        if (s.do === 'put') await write(s.key, s.value, undefined, true);
        if (s.do === 'create') await write(s.key, s.value, { ifNoneMatch: true }, !standing);
        if (s.do === 'swap') {
          const etag = s.stale || !standing ? '"0123456789abcdef0123456789abcdef"' : standing.etag;
          await write(s.key, s.value, { ifMatch: etag }, Boolean(standing) && !s.stale);
        }
        if (s.do === 'delete') {
          await s3.store.deleteJson(`${root}${s.key}`);
          model.delete(s.key);
        }
        if (s.do === 'read') {
          const found = await s3.store.getJson(`${root}${s.key}`);
          expect(found?.value).toEqual(standing && { v: standing.value });
        }
        if (s.do === 'list') {
          const keys = [...model.keys()].map((k) => `${root}${k}`).sort();
          expect(await s3.store.listKeys(root)).toEqual(keys);
        }
      }
      for (const [k, { value: v }] of model) {
        expect((await s3.store.getJson(`${root}${k}`))?.value).toEqual({ v });
      }
    }),
    { numRuns: 25 },
  );
});
