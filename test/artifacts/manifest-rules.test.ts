/** Manifests and directory artefacts against a bucket that answers oddly, as no real one does on demand. */
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  fetchDirectory,
  listFiles,
  putDirectory,
  readListing,
} from '../../activities/artifacts/directories.js';
import { StoreError } from '../../activities/artifacts/errors.js';
import { Manifests } from '../../activities/artifacts/manifests.js';
import { objectKey, Objects } from '../../activities/artifacts/objects.js';
import { Records } from '../../activities/artifacts/records.js';
import { artifactRefSchema, type ArtifactRef, type Manifest } from '../../activities/artifacts/ref.js';
import { MemoryBucket } from './memory-bucket.js';

let bucket: MemoryBucket;
let objects: Objects;
let manifests: Manifests;
beforeEach(() => {
  bucket = new MemoryBucket();
  objects = new Objects(bucket, undefined);
  manifests = new Manifests(bucket, objects, new Records(bucket));
});
const stray = (key: string, text: string) =>
  bucket.objects.set(key, { body: Buffer.from(text), etag: '"s"' });
const manifest = (key: string, outputs: Record<string, ArtifactRef>, createdAt = '2026-01-02'): Manifest => ({
  ...{ key, stage: 'sft', outputs, parents: {}, settings: {}, seed: 1, metrics: {}, createdAt },
  cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 0 },
  ...{ codeCommit: 'c', startedBy: 'test', workflowId: 'w', attempt: 1 },
});

describe('a manifest', () => {
  test('stands behind its index, and only where nothing stands', async () => {
    const model = await objects.putBytes('model', Buffer.from('weights'));
    bucket.asked.length = 0;
    const offered = manifest('k', { model });
    expect(await manifests.publish(offered)).toEqual({ status: 'created', manifest: offered });
    expect(bucket.asked).toEqual([
      `head ${objectKey(model.sha256)}`,
      `put producers/${model.sha256}/sft-k.json`,
      'put manifests/sft/k.json if none',
    ]);
    expect(await manifests.publish({ ...offered, attempt: 2 })).toEqual({
      status: 'exists',
      manifest: offered,
    });
  });

  test('is not written before what it names is stored whole', async () => {
    const model = await objects.putBytes('model', Buffer.from('weights'));
    bucket.objects.get(objectKey(model.sha256))!.body = Buffer.from('weight');
    await expect(manifests.publish(manifest('k', { model }))).rejects.toMatchObject({
      type: 'ArtifactMissing',
      message: `Output "model" of stage sft (${model.uri}) is not stored, so the stage cannot be declared finished. Run the stage again.`,
    });
    expect(bucket.asked.filter((request) => request.includes('manifests/'))).toEqual([]);
  });

  test('names artefacts by whole hashes', () => {
    const ref = { uri: 's3://b/x', bytes: 1, kind: 'model' };
    const named = (sha256: string) => artifactRefSchema.safeParse({ ...ref, sha256 }).success;
    expect(named('0a'.repeat(32))).toBe(true);
    for (const sha256 of [`x${'0a'.repeat(32)}`, `${'0a'.repeat(32)}x`, '0a', '0A'.repeat(32)])
      expect(named(sha256), sha256).toBe(false);
  });

  test('that cannot be written fails as the store does', async () => {
    const refused = new StoreError('StorageCredentials', 'refused');
    bucket.before = (request) => {
      if (request.startsWith('put manifests/')) throw refused;
    };
    await expect(manifests.publish(manifest('k', {}))).rejects.toBe(refused);
  });

  test('that stood there and is gone is not taken for ours', async () => {
    const lost = new StoreError('PreconditionFailed', 'another one was first');
    bucket.before = (request) => {
      if (request.startsWith('put manifests/')) throw lost;
    };
    await expect(manifests.publish(manifest('k', {}))).rejects.toBe(lost);
  });

  test('of another form is corrupt', async () => {
    stray('manifests/sft/k.json', '{"key":"k"}');
    await expect(manifests.read('sft', 'k')).rejects.toThrow(
      's3://b/manifests/sft/k.json is corrupt: it is not a manifest this version can read',
    );
  });

  test('that made an artefact is the earliest of those that name it', async () => {
    const model = await objects.putBytes('model', Buffer.from('weights'));
    const other = await objects.putBytes('model', Buffer.from('other weights'));
    expect(await manifests.producerOf(model)).toBeUndefined();
    for (const [key, created] of [
      ['b', '2026-01-03'],
      ['a', '2026-01-02'],
      ['c', '2026-01-04'],
    ] as const)
      await manifests.publish(manifest(key, { model }, created));
    // Pointers to a manifest that was never written, that names something else, and to nothing.
    const at = (name: string) => `producers/${model.sha256}/${name}.json`;
    stray(at('sft-absent'), '{"stage":"sft","key":"absent"}');
    await manifests.publish(manifest('another', { model: other }, '2026-01-01'));
    stray(at('sft-another'), '{"stage":"sft","key":"another"}');
    stray(at('rubbish'), '{}');
    expect(await manifests.producerOf(model)).toMatchObject({ key: 'a' });
    bucket.before = (request) => {
      if (request === `get ${at('sft-b')}`) bucket.objects.delete(at('sft-b'));
    };
    expect(await manifests.producerOf(model)).toMatchObject({ key: 'a' });
  });
});

describe('a directory', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rmr1-directories-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));
  const fill = async (...names: string[]) => {
    for (const name of names) {
      await mkdir(join(dir, name, '..'), { recursive: true });
      await writeFile(join(dir, name), `content of ${name}`);
    }
  };

  test('is listed in the order of its paths, however it is named', async () => {
    await fill('z', 'b/c', 'b/a', 'a');
    await mkdir(join(dir, 'empty'));
    for (const name of [dir, `${dir}/`, `${dir}//`])
      expect(await listFiles(name)).toEqual(['a', 'b/a', 'b/c', 'z']);
  });

  test('with a link in it is refused by name', async () => {
    await fill('a');
    await symlink(join(dir, 'a'), join(dir, 'link'));
    await expect(listFiles(dir)).rejects.toMatchObject({
      type: 'StorageSettings',
      message: `${join(dir, 'link')} is not a regular file. Replace the link by the file it points to, or move it out of ${dir}.`,
    });
  });

  test('without a file is refused, with what to set', async () => {
    await expect(putDirectory(objects, 'model', dir)).rejects.toMatchObject({
      type: 'StorageSettings',
      message: `${dir} holds no files. Name the directory that was written.`,
    });
  });

  test('is fetched without what is there already; what is damaged is mended', async () => {
    await fill('a', 'b/c');
    const ref = await putDirectory(objects, 'model', dir);
    await writeFile(join(dir, 'mine'), 'left alone');
    await writeFile(join(dir, 'a'), 'content of z');
    bucket.asked.length = 0;
    await fetchDirectory(objects, ref, dir);
    const [file] = (await readListing(objects, ref)).files;
    expect(bucket.asked.slice(0, 2)).toEqual([
      `get ${objectKey(ref.sha256)}`,
      `get ${objectKey(file!.sha256)}`,
    ]);
    expect(bucket.asked.slice(2)).toEqual([`get ${objectKey(ref.sha256)}`]);
    expect(await readFile(join(dir, 'a'), 'utf8')).toBe('content of a');
    expect(await readFile(join(dir, 'mine'), 'utf8')).toBe('left alone');
  });

  test.each([
    ['no JSON', 'rubbish', 'it is not the listing of a directory artefact'],
    ['no listing', '{"files":[]}', 'it is not the listing of a directory artefact'],
    ...['..', '../x', 'a/../../x', '/x', 'a\\x'].map((path): [string, string, string] => [
      path,
      JSON.stringify({ format: 'rmr1-directory/1', files: [{ path, sha256: '0'.repeat(64), bytes: 1 }] }),
      `its entry "${path}" points outside the directory`,
    ]),
  ])('whose listing holds %s is corrupt', async (_, text, detail) => {
    const ref = await objects.putBytes('model', Buffer.from(text));
    await expect(readListing(objects, ref)).rejects.toThrow(`${ref.uri} is corrupt: ${detail}`);
  });

  test.each([`${'0'.repeat(63)}g`, '0'.repeat(65), '0'.repeat(63)])(
    'with the hash %s is none',
    async (sha256) => {
      const listing = { format: 'rmr1-directory/1', files: [{ path: 'a', sha256, bytes: 1 }] };
      const ref = await objects.putBytes('model', Buffer.from(JSON.stringify(listing)));
      await expect(readListing(objects, ref)).rejects.toMatchObject({ type: 'CorruptArtifact' });
    },
  );
});
