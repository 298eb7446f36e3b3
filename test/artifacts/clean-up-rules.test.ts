/** A clean-up against a bucket that answers oddly: what is in doubt stays. */
import { beforeEach, describe, expect, test } from 'vitest';
import { carryOut, planCleanUp, type CleanUpParts } from '../../activities/artifacts/clean-up.js';
import { StoreError } from '../../activities/artifacts/errors.js';
import { Manifests } from '../../activities/artifacts/manifests.js';
import { objectKey, Objects } from '../../activities/artifacts/objects.js';
import { Records } from '../../activities/artifacts/records.js';
import type { ArtifactKind, ArtifactRef } from '../../activities/artifacts/ref.js';
import { MemoryBucket } from './memory-bucket.js';

const NEVER = { finishedCheckpoints: 0, abandonedCheckpoints: 0, unreachedObjects: 0 };
let bucket: MemoryBucket;
let parts: CleanUpParts;
beforeEach(() => {
  bucket = new MemoryBucket();
  const [objects, records] = [new Objects(bucket, undefined), new Records(bucket)];
  parts = { bucket, objects, records, manifests: new Manifests(bucket, objects, records) };
});
const put = (kind: ArtifactKind, text: string) => parts.objects.putBytes(kind, Buffer.from(text));
const stray = (key: string, text = '{}') =>
  bucket.objects.set(key, { body: Buffer.from(text), etag: '"s"', modifiedAt: new Date() });
const directory = async (...files: ArtifactRef[]) =>
  put(
    'model',
    JSON.stringify({
      format: 'rmr1-directory/1',
      files: files.map(({ sha256, bytes }, index) => ({ path: `f${index}`, sha256, bytes })),
    }),
  );
const finish = (
  key: string,
  outputs: Record<string, ArtifactRef>,
  parents: Record<string, ArtifactRef> = {},
) =>
  parts.manifests.publish({
    ...{ key, stage: 'sft', outputs, parents, settings: {}, seed: 1, metrics: {}, createdAt: '' },
    cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 0 },
    ...{ codeCommit: 'c', startedBy: 'test', workflowId: 'w', attempt: 1 },
  });
const planned = async () => (await planCleanUp(parts, NEVER)).map(({ key }) => key).sort();

describe('a plan', () => {
  test('spares what manifests and champions reach, files of directories among it', async () => {
    const refs = {
      weights: await put('outputs', 'weights'),
      crowned: await put('outputs', 'weights of the champion'),
      parent: await put('pairs', 'pairs'),
      recipe: await put('recipe', 'recipe'),
      scores: await put('scores', 'scores'),
      orphan: await put('outputs', 'orphan'),
    };
    const model = await directory(refs.weights);
    await finish('k', { model }, { pairs: refs.parent });
    const champion = await directory(refs.crowned);
    const history = [
      { model: champion, recipe: refs.recipe },
      { model: champion, recipe: refs.recipe, scores: refs.scores },
    ];
    stray('registry/default.json', JSON.stringify({ history }));
    stray('checkpoints/k/step-00000001/attempt-1/model');
    stray('checkpoints/open/step-00000001/attempt-1/model');
    const reasons = (await planCleanUp(parts, NEVER)).map(({ reason }) => reason);
    expect(reasons.sort()).toEqual([
      ...['checkpoint of a finished stage', 'checkpoint of an abandoned stage', 'reached by nothing'].sort(),
    ]);
    expect(await planned()).toEqual([
      'checkpoints/k/step-00000001/attempt-1/model',
      'checkpoints/open/step-00000001/attempt-1/model',
      objectKey(refs.orphan.sha256),
    ]);
  });

  test('leaves out what has no age', async () => {
    const { sha256 } = await put('outputs', 'orphan');
    expect(await planned()).toEqual([objectKey(sha256)]);
    delete bucket.objects.get(objectKey(sha256))!.modifiedAt;
    expect(await planned()).toEqual([]);
  });

  test('goes on where an object is gone, and past what is no manifest', async () => {
    const weights = await put('outputs', 'weights');
    const model = await directory(weights);
    await finish('k', { model });
    bucket.objects.delete(objectKey(model.sha256));
    for (const key of ['manifests/notes.txt', 'manifests/sft/deeper/k.json', 'manifests/sft/k.json.old'])
      stray(key, 'anything');
    expect(await planned()).toEqual([objectKey(weights.sha256)]);
  });

  test.each([
    ['a manifest', 'manifests/sft/broken.json', 'it is not a manifest this version can read'],
    ['a champion', 'registry/default.json', 'it is not the record of a champion'],
  ])('is not made where %s cannot be read', async (_, key, detail) => {
    stray(key);
    await expect(planned()).rejects.toThrow(`s3://b/${key} is corrupt: ${detail}`);
  });

  test('is not made where a listing cannot be read', async () => {
    await finish('k', { model: await directory(await put('outputs', 'weights')) });
    const away = new StoreError('StorageUnreachable', 'away');
    bucket.before = (request) => {
      if (request.startsWith('get objects/')) throw away;
    };
    await expect(planned()).rejects.toBe(away);
  });

  test('reads a listing once, however many name it, and none of what is no directory', async () => {
    const model = await directory(await put('outputs', 'weights'));
    await finish('k', { model }, { start: model, pairs: await put('pairs', 'pairs') });
    bucket.asked.length = 0;
    await planned();
    expect(bucket.asked.filter((request) => request.startsWith('get objects/'))).toEqual([
      `get ${objectKey(model.sha256)}`,
    ]);
  });
});

describe('carrying it out', () => {
  test('deletes manifests of checkpoints first', async () => {
    const keys = ['a', 'manifest.json', 'z'].map((name) => `checkpoints/k/step-00000001/attempt-1/${name}`);
    for (const key of keys) stray(key);
    expect(await carryOut(parts, await planCleanUp(parts, NEVER))).toBe(3);
    const deleted = bucket.asked.filter((request) => request.startsWith('delete'));
    expect(deleted[0]).toBe(`delete ${keys[1]}`);
    expect(deleted).toHaveLength(3);
  });

  test('spares what was written again, what is gone and what is reached by now', async () => {
    const [again, same, gone, reached, ageless] = [
      await put('outputs', 'again'),
      await put('outputs', 'same'),
      await put('outputs', 'gone'),
      await put('outputs', 'reached'),
      await put('outputs', 'ageless'),
    ];
    const plan = await planCleanUp(parts, NEVER);
    expect(plan).toHaveLength(5);
    const later = (ref: ArtifactRef, ms: number) => {
      const stored = bucket.objects.get(objectKey(ref.sha256))!;
      stored.modifiedAt = new Date(stored.modifiedAt!.getTime() + ms);
    };
    later(again, 61_000);
    later(same, 60_000);
    bucket.objects.delete(objectKey(gone.sha256));
    delete bucket.objects.get(objectKey(ageless.sha256))!.modifiedAt;
    await finish('k', { reached });
    expect(await carryOut(parts, plan)).toBe(1);
    const left = [...bucket.objects.keys()].filter((key) => key.startsWith('objects/')).sort();
    expect(left).toEqual([again, reached, ageless].map(({ sha256 }) => objectKey(sha256)).sort());
  });
});
