import { randomBytes } from 'node:crypto';
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { proxyTo } from './proxy.js';
import { vandalise } from './raw-bucket.js';
import { freshKey, useStore } from './shared-store.js';

const s3 = useStore();

/** A directory that looks like a trainer's checkpoint. */
async function snapshot(marker: string): Promise<string> {
  const dir = join(s3.dir, freshKey());
  await mkdir(join(dir, 'optimizer'), { recursive: true });
  await writeFile(join(dir, 'model.safetensors'), marker);
  await writeFile(join(dir, 'optimizer', 'state.safetensors'), randomBytes(256));
  return dir;
}

async function fetched(stageKey: string): Promise<{ model: string; skipped: number[] } | undefined> {
  const dir = join(s3.dir, freshKey());
  await mkdir(dir);
  const found = await s3.store.fetchCheckpoint(stageKey, dir);
  if (!found) return undefined;
  return {
    model: await readFile(join(dir, 'model.safetensors'), 'utf8'),
    skipped: found.skipped.map(({ step }) => step),
  };
}

function partKey(stageKey: string, step: number, attempt: number, path: string): string {
  return `checkpoints/${stageKey}/step-${String(step).padStart(8, '0')}/attempt-${attempt}/${path}`;
}

describe('resuming', () => {
  test('takes the newest complete checkpoint by number, not by time or by text', async () => {
    const stage = freshKey();
    for (const step of [100, 9, 1000, 20])
      await s3.store.saveCheckpoint(stage, step, 1, await snapshot(`${step}`));
    expect(await s3.store.latestCheckpoint(stage)).toMatchObject({ step: 1000, attempt: 1 });
    expect(await fetched(stage)).toEqual({ model: '1000', skipped: [] });
    expect((await s3.store.listCheckpoints(stage)).map(({ step }) => step)).toEqual([1000, 100, 20, 9]);
  });

  test('starts from nothing where nothing was saved', async () => {
    expect(await s3.store.latestCheckpoint(freshKey())).toBeUndefined();
    expect(await fetched(freshKey())).toBeUndefined();
  });

  test('ignores a checkpoint whose writer died before its manifest', async () => {
    const stage = freshKey();
    await s3.store.saveCheckpoint(stage, 10, 1, await snapshot('ten'));
    await vandalise(s3.settings, partKey(stage, 20, 1, 'model.safetensors'), 'half');
    expect((await s3.store.latestCheckpoint(stage))?.step).toBe(10);
    expect(await fetched(stage)).toEqual({ model: 'ten', skipped: [] });
  });

  test('falls back, and says so, where a part is corrupt', async () => {
    const stage = freshKey();
    await s3.store.saveCheckpoint(stage, 10, 1, await snapshot('ten'));
    await s3.store.saveCheckpoint(stage, 20, 1, await snapshot('twenty'));
    await vandalise(s3.settings, partKey(stage, 20, 1, 'model.safetensors'), 'TWENTY');
    expect(await fetched(stage)).toEqual({ model: 'ten', skipped: [20] });
  });

  test('falls back where a part is gone', async () => {
    const stage = freshKey();
    await s3.store.saveCheckpoint(stage, 10, 1, await snapshot('ten'));
    await s3.store.saveCheckpoint(stage, 20, 1, await snapshot('twenty'));
    await s3.store.deleteJson(partKey(stage, 20, 1, 'optimizer/state.safetensors'));
    expect((await s3.store.latestCheckpoint(stage))?.step).toBe(10);
    expect(await fetched(stage)).toEqual({ model: 'ten', skipped: [20] });
  });

  test('falls back where the manifest itself is rubbish', async () => {
    const stage = freshKey();
    await s3.store.saveCheckpoint(stage, 10, 1, await snapshot('ten'));
    await s3.store.saveCheckpoint(stage, 20, 1, await snapshot('twenty'));
    await vandalise(s3.settings, partKey(stage, 20, 1, 'manifest.json'), '{');
    expect(await fetched(stage)).toEqual({ model: 'ten', skipped: [] });
  });

  test('leaves no file of a checkpoint that was passed over', async () => {
    const stage = freshKey();
    const odd = await snapshot('twenty');
    await writeFile(join(odd, 'only-in-twenty'), 'x');
    await s3.store.saveCheckpoint(stage, 10, 1, await snapshot('ten'));
    await s3.store.saveCheckpoint(stage, 20, 1, odd);
    await vandalise(s3.settings, partKey(stage, 20, 1, 'optimizer/state.safetensors'), randomBytes(256));
    const dir = join(s3.dir, freshKey());
    await mkdir(dir);
    await s3.store.fetchCheckpoint(stage, dir);
    expect((await readdir(dir)).sort()).toEqual(['model.safetensors', 'optimizer']);
  });
});

describe('a zombie', () => {
  test('cannot write once a later attempt has begun', async () => {
    const stage = freshKey();
    await s3.store.saveCheckpoint(stage, 10, 1, await snapshot('ten'));
    await s3.another().saveCheckpoint(stage, 20, 2, await snapshot('twenty'));
    await expect(s3.store.saveCheckpoint(stage, 30, 1, await snapshot('zombie'))).rejects.toMatchObject({
      type: 'Fenced',
      message: expect.stringContaining('Attempt 1') as string,
    });
    expect((await s3.store.latestCheckpoint(stage))?.step).toBe(20);
  });

  test('overtaken while its parts go up does not publish them', async () => {
    const stage = freshKey();
    const proxy = await proxyTo(s3.settings.endpoint!, {
      onRequest: async (line) => {
        if (/^PUT .*model\.safetensors/.test(line)) await s3.store.claimStage(stage, 'successor');
      },
    });
    const slow = s3.another({ endpoint: proxy.endpoint });
    await slow.claimStage(stage, 'zombie');
    await expect(slow.saveCheckpoint(stage, 10, 1, await snapshot('zombie'))).rejects.toMatchObject({
      type: 'Fenced',
    });
    expect(await s3.store.listKeys(`checkpoints/${stage}/step-`)).not.toContainEqual(
      expect.stringContaining('manifest.json'),
    );
    proxy.close();
  });

  test('frozen between its last part and its manifest changes nothing when it wakes', async () => {
    const stage = freshKey();
    await s3.store.saveCheckpoint(stage, 10, 1, await snapshot('ten'));
    const successor = await s3.store.claimStage(stage, 'successor');
    expect(successor).toMatchObject({ attempt: 2, latest: { step: 10, attempt: 1 } });
    // What a manifest looks like that passed its fence check a moment before the successor's claim.
    const forged = await s3
      .another({ prefix: `${s3.settings.prefix}-zombie` })
      .saveCheckpoint(stage, 30, 1, await snapshot('zombie'));
    for (const { path } of forged.files) await vandalise(s3.settings, partKey(stage, 30, 1, path), 'zombie');
    await s3.store.putJson(partKey(stage, 30, 1, 'manifest.json'), forged);

    expect((await s3.store.latestCheckpoint(stage))?.step).toBe(10);
    await s3.store.saveCheckpoint(stage, 20, successor.attempt, await snapshot('twenty'));
    expect(await fetched(stage)).toEqual({ model: 'twenty', skipped: [] });
  });

  test('that claims at the same time as others gets a number of its own', async () => {
    const stage = freshKey();
    const claims = await Promise.all(
      Array.from({ length: 8 }, (_, i) => s3.another().claimStage(stage, `worker ${i}`)),
    );
    expect(claims.map(({ attempt }) => attempt).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});

describe('saving', () => {
  test('the same checkpoint again, after an answer was lost, is harmless', async () => {
    const stage = freshKey();
    const first = await s3.store.saveCheckpoint(stage, 10, 1, await snapshot('ten'));
    expect(await s3.store.saveCheckpoint(stage, 10, 1, await snapshot('other'))).toEqual(first);
    expect(await fetched(stage)).toEqual({ model: 'ten', skipped: [] });
  });

  test('a directory that would overwrite the manifest is refused', async () => {
    const dir = await snapshot('x');
    await writeFile(join(dir, 'manifest.json'), '{}');
    await expect(s3.store.saveCheckpoint(freshKey(), 1, 1, dir)).rejects.toThrow(/manifest\.json/);
  });
});

describe('pruning', () => {
  test('keeps the newest, what is being uploaded, and nothing else', async () => {
    const stage = freshKey();
    for (const step of [10, 20, 30]) await s3.store.saveCheckpoint(stage, step, 1, await snapshot(`${step}`));
    await vandalise(s3.settings, partKey(stage, 5, 1, 'model.safetensors'), 'left over');
    await vandalise(s3.settings, partKey(stage, 40, 1, 'model.safetensors'), 'under way');
    expect(await s3.store.pruneCheckpoints(stage, 2)).toBe(2);
    expect((await s3.store.listCheckpoints(stage)).map(({ step }) => step)).toEqual([30, 20]);
    const left = await s3.store.listKeys(`checkpoints/${stage}/step-`);
    expect(new Set(left.map((key) => /step-0*(\d+)/.exec(key)?.[1]))).toEqual(new Set(['20', '30', '40']));
  });

  test('never deletes the last one', async () => {
    await expect(s3.store.pruneCheckpoints(freshKey(), 0)).rejects.toThrow(/at least 1/);
  });
});

test('whatever attempts save, claim and prune, the newest line of descent is resumed', async () => {
  const action = fc.oneof(
    fc.record({ do: fc.constant('save' as const), behind: fc.nat({ max: 1 }) }),
    fc.record({ do: fc.constant('claim' as const) }),
    fc.record({ do: fc.constant('prune' as const) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 8 }), async (actions) => {
      const stage = freshKey();
      let { attempt } = await s3.store.claimStage(stage, 'first');
      let newest = 0;
      for (const a of actions) {
        if (a.do === 'claim') attempt = (await s3.store.claimStage(stage, 'next')).attempt;
        if (a.do === 'prune') await s3.store.pruneCheckpoints(stage, 1);
        if (a.do !== 'save') continue;
        const writer = attempt - a.behind;
        if (writer < 1) continue;
        const saving = s3.store.saveCheckpoint(stage, newest + 10, writer, await snapshot(`${newest + 10}`));
        if (writer < attempt) await expect(saving).rejects.toMatchObject({ type: 'Fenced' });
        else newest = (await saving).step;
      }
      expect((await s3.store.latestCheckpoint(stage))?.step ?? 0).toBe(newest);
      expect((await fetched(stage))?.model).toBe(newest === 0 ? undefined : `${newest}`);
    }),
    { numRuns: 10 },
  );
});
