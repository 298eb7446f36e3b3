/** Checkpoints against a bucket that answers oddly, as no real one does on demand. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Checkpoints, type Checkpoint } from '../../activities/artifacts/checkpoints.js';
import { StoreError } from '../../activities/artifacts/errors.js';
import { Objects } from '../../activities/artifacts/objects.js';
import { Records } from '../../activities/artifacts/records.js';
import { MemoryBucket } from './memory-bucket.js';

let root: string;
let dir: string;
let bucket: MemoryBucket;
let checkpoints: Checkpoints;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rmr1-checkpoints-'));
  dir = join(root, 'checkpoint');
  await mkdir(join(dir, 'optimizer'), { recursive: true });
  await writeFile(join(dir, 'model'), 'weights');
  await writeFile(join(dir, 'optimizer', 'state'), 'moments');
  bucket = new MemoryBucket();
  checkpoints = new Checkpoints(bucket, new Objects(bucket, undefined), new Records(bucket));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const at = (step: number, attempt: number, path = '') =>
  `checkpoints/s/step-${String(step).padStart(8, '0')}/attempt-${attempt}/${path}`;
const stray = (key: string, text = 'x') => bucket.objects.set(key, { body: Buffer.from(text), etag: '"s"' });
const keys = () => [...bucket.objects.keys()].filter((key) => key.includes('/step-'));
const ids = (found: readonly Checkpoint[]) => found.map(({ step, attempt }) => [step, attempt]);
const failing = (request: RegExp, error: Error) => {
  bucket.before = (asked) => {
    if (request.test(asked)) throw error;
  };
};

describe('saving', () => {
  test('sends the parts, looks at the fence once more, and writes the manifest last', async () => {
    const saved = await checkpoints.save('s', 7, 3, dir);
    expect(saved).toMatchObject({ format: 'rmr1-checkpoint/1', stageKey: 's', step: 7, attempt: 3 });
    expect(saved.files.map(({ path, bytes }) => [path, bytes])).toEqual([
      ['model', 7],
      ['optimizer/state', 7],
    ]);
    const writes = bucket.asked.filter((request) => /^put .*step-|^get .*fence/.test(request));
    expect(writes.slice(-4)).toEqual([
      ...[`put ${at(7, 3, 'model')}`, `put ${at(7, 3, 'optimizer/state')}`],
      ...['get checkpoints/s/fence.json', `put ${at(7, 3, 'manifest.json')} if none`],
    ]);
    const fence = bucket.objects.get('checkpoints/s/fence.json')!.body.toString();
    expect(JSON.parse(fence)).toMatchObject({ attempt: 3, owner: 'attempt 3', claims: [{ from: null }] });
    bucket.asked.length = 0;
    expect(await checkpoints.save('s', 7, 3, dir)).toEqual(saved);
    expect(bucket.asked.filter((request) => request.startsWith('put'))).toEqual([]);
  });

  test('notes on its claim what there was before', async () => {
    await checkpoints.save('s', 7, 1, dir);
    await checkpoints.save('s', 9, 2, dir);
    const fence = bucket.objects.get('checkpoints/s/fence.json')!.body.toString();
    expect((JSON.parse(fence) as { claims: unknown[] }).claims[1]).toMatchObject({
      ...{ attempt: 2, owner: 'attempt 2', from: { step: 7, attempt: 1 } },
    });
  });

  test('takes the manifest that another sending of it left', async () => {
    let other = '';
    bucket.before = (request) => {
      if (!request.endsWith('manifest.json if none') || !other) return;
      stray(at(7, 1, 'manifest.json'), other);
    };
    const first = await checkpoints.save('s', 6, 1, dir);
    other = JSON.stringify({ ...first, step: 7, createdAt: 'a moment before' });
    expect((await checkpoints.save('s', 7, 1, dir)).createdAt).toBe('a moment before');
    other = '{"format":"of another version"}';
    bucket.objects.delete(at(7, 1, 'manifest.json'));
    expect(await checkpoints.save('s', 7, 1, dir)).toMatchObject({ step: 7, attempt: 1 });
  });

  test('fails as the store does', async () => {
    const refused = new StoreError('StorageCredentials', 'refused');
    failing(/^put .*manifest/, refused);
    await expect(checkpoints.save('s', 7, 1, dir)).rejects.toBe(refused);
  });

  test.each([
    ['nothing', () => rm(dir, { recursive: true }).then(() => mkdir(dir))],
    ['a manifest of its own', () => writeFile(join(dir, 'manifest.json'), '{}')],
  ])('refuses a directory that holds %s', async (_, change) => {
    await change();
    await expect(checkpoints.save('s', 7, 1, dir)).rejects.toMatchObject({
      type: 'StorageSettings',
      message: `${dir} must hold the files of a checkpoint, and none of them may be called manifest.json.`,
    });
    expect(keys()).toEqual([]);
  });
});

describe('listing', () => {
  test('goes by step, then by attempt, as numbers', async () => {
    for (const [step, attempt] of [
      [5, 9],
      [40, 9],
      [40, 12],
      [7, 12],
    ] as const)
      await checkpoints.save('s', step, attempt, dir);
    expect(ids(await checkpoints.list('s'))).toEqual([
      [40, 12],
      [40, 9],
      [7, 12],
      [5, 9],
    ]);
    bucket.asked.length = 0;
    expect(await checkpoints.latest('s')).toMatchObject({ step: 40, attempt: 12 });
    expect(bucket.asked.filter((request) => /^get .*manifest/.test(request))).toHaveLength(1);
  });

  test('passes over what is no checkpoint, not whole, or not to be read', async () => {
    await checkpoints.save('s', 1, 1, dir);
    for (const step of [2, 3, 4]) await checkpoints.save('s', step, 1, dir);
    bucket.objects.get(at(4, 1, 'model'))!.body = Buffer.from('cut');
    bucket.objects.delete(at(3, 1, 'optimizer/state'));
    stray(at(2, 1, 'manifest.json'), 'rubbish');
    stray('checkpoints/s/step-x/attempt-1/manifest.json');
    stray('checkpoints/s/step-00000009/attempt-1/');
    stray('checkpoints/s/step-00000009/manifest.json');
    expect(ids(await checkpoints.list('s'))).toEqual([[1, 1]]);
    failing(/^get .*manifest/, new StoreError('StorageUnreachable', 'away'));
    await expect(checkpoints.list('s')).rejects.toThrow('away');
  });

  test('takes the stage over with what is newest on its line', async () => {
    const first = await checkpoints.claim('s', 'one');
    expect(first).toEqual({ attempt: 1, latest: undefined });
    await checkpoints.save('s', 3, 1, dir);
    expect(await checkpoints.claim('s', 'two')).toMatchObject({
      attempt: 2,
      latest: { step: 3, attempt: 1 },
    });
    await expect(checkpoints.save('s', 4, 1, dir)).rejects.toMatchObject({ type: 'Fenced' });
  });
});

describe('fetching', () => {
  const target = () => join(root, 'target');

  test('replaces what was there by the newest that verifies, and says what it passed over', async () => {
    for (const step of [1, 2, 3, 4]) await checkpoints.save('s', step, 1, dir);
    await mkdir(join(target(), 'old'), { recursive: true });
    await writeFile(join(target(), 'old', 'file'), '');
    bucket.objects.get(at(4, 1, 'model'))!.body = Buffer.from('weightz');
    bucket.objects.delete(at(3, 1, 'optimizer/state'));
    stray(at(2, 1, 'manifest.json'), 'rubbish');
    const found = await checkpoints.fetch('s', target());
    expect(found!.checkpoint.step).toBe(1);
    expect(found!.skipped.map(({ step, attempt, reason }) => [step, attempt, reason.slice(-99)])).toEqual([
      [4, 1, expect.stringContaining('run the stage that made it again')],
      [3, 1, expect.stringContaining('or run the stage that makes it again')],
    ]);
    expect((await readdir(target())).sort()).toEqual(['model', 'optimizer']);
    expect(await readFile(join(target(), 'optimizer', 'state'), 'utf8')).toBe('moments');
  });

  test('leaves an empty directory where there is none', async () => {
    await mkdir(target());
    await writeFile(join(target(), 'old'), '');
    expect(await checkpoints.fetch('s', target())).toBeUndefined();
    expect(await readdir(target())).toEqual([]);
    expect(await checkpoints.fetch('s', join(root, 'nowhere'))).toBeUndefined();
  });

  test('does not fall back where the store cannot be asked', async () => {
    for (const step of [1, 2]) await checkpoints.save('s', step, 1, dir);
    failing(new RegExp(`^get ${at(2, 1, 'model')}`), new StoreError('StorageUnreachable', 'away'));
    await expect(checkpoints.fetch('s', target())).rejects.toThrow('away');
  });

  test('refuses parts that lie outside', async () => {
    const saved = await checkpoints.save('s', 1, 1, dir);
    stray(
      at(1, 1, 'manifest.json'),
      JSON.stringify({ ...saved, files: [{ ...saved.files[0], path: '../x' }] }),
    );
    expect(await checkpoints.fetch('s', target())).toBeUndefined();
  });
});

describe('pruning', () => {
  test.each([0, -1, 1.5])('to %d is refused', async (keep) => {
    await expect(checkpoints.prune('s', keep)).rejects.toMatchObject({
      type: 'StorageSettings',
      message: `keep is ${keep}. Keep at least 1 checkpoint.`,
    });
  });

  test('deletes manifests first, so that what is left of it is no checkpoint', async () => {
    for (const step of [1, 2, 3]) await checkpoints.save('s', step, 1, dir);
    bucket.asked.length = 0;
    expect(await checkpoints.prune('s', 2)).toBe(1);
    const deleted = bucket.asked.filter((request) => request.startsWith('delete'));
    expect(deleted[0]).toBe(`delete ${at(1, 1, 'manifest.json')}`);
    expect(deleted.slice(1).sort()).toEqual([
      `delete ${at(1, 1, 'manifest.json')}`,
      `delete ${at(1, 1, 'model')}`,
      `delete ${at(1, 1, 'optimizer/state')}`,
    ]);
    expect(ids(await checkpoints.list('s'))).toEqual([
      [3, 1],
      [2, 1],
    ]);
  });

  test('keeps what the present attempt uploads, not what earlier ones left', async () => {
    for (const step of [10, 20, 30]) await checkpoints.save('s', step, 1, dir);
    await checkpoints.claim('s', 'two');
    await checkpoints.save('s', 40, 2, dir);
    for (const key of [at(50, 1, 'model'), at(50, 2, 'model'), at(30, 2, 'model'), at(20, 2, 'model')])
      stray(key);
    stray('checkpoints/s/step-x/other');
    expect(await checkpoints.prune('s', 2)).toBe(4);
    const left = keys().flatMap(
      (key) => /step-0*(\d+)\/attempt-(\d+)/.exec(key)?.slice(1).join('.') ?? 'stray',
    );
    expect(new Set(left)).toEqual(new Set(['30.1', '30.2', '40.2', '50.2', 'stray']));
  });

  test('touches nothing where there is no checkpoint to keep', async () => {
    stray(at(5, 1, 'model'));
    expect(await checkpoints.prune('s', 1)).toBe(0);
    expect(keys()).toEqual([at(5, 1, 'model')]);
  });
});
