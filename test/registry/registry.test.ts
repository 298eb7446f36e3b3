/** The registry on a real store: two retrainings may finish at once, and an activity may be run twice. */
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import { promote, readChampion, rollback, type Candidate } from '../../activities/registry/champion.js';
import { compareJudges } from '../../activities/registry/judge-comparison.js';
import { watchedPairs } from '../../activities/registry/new-pairs.js';
import type { Judgement } from '../../benchmarks/index.js';
import { vandalise } from '../artifacts/raw-bucket.js';
import { freshKey, useStore } from '../artifacts/shared-store.js';

const fixture = useStore();

const ref = (name: string): ArtifactRef => {
  const sha256 = Buffer.from(name.padEnd(32, '.').slice(0, 32)).toString('hex');
  return { uri: `s3://b/objects/${sha256}`, sha256, bytes: 1, kind: 'model' };
};
const candidate = (name: string): Candidate => ({
  workflowId: name,
  model: ref(name),
  recipe: ref('recipe'),
});
const move = { by: 'test', reason: 'because' };
const alias = () => `a${freshKey()}`;

describe('the champion', () => {
  test('is nobody first, then who was promoted, with history', async () => {
    const name = alias();
    expect(await readChampion(fixture.store, name)).toMatchObject({ version: 0, history: [] });
    expect(await promote(fixture.store, name, candidate('one'), move, 0)).toEqual({
      status: 'promoted',
      version: 1,
    });
    await promote(fixture.store, name, candidate('two'), move, 1);
    const { current, history } = await readChampion(fixture.store, name);
    expect(current).toMatchObject({ workflowId: 'two', version: 2, by: 'test', action: 'promote' });
    expect(history.map(({ workflowId }) => workflowId)).toEqual(['one', 'two']);
  });

  test('promoted again by a repeated activity, it is promoted once', async () => {
    const name = alias();
    await promote(fixture.store, name, candidate('one'), move, 0);
    expect((await promote(fixture.store, name, candidate('one'), move, 0)).status).toBe('stands');
    await promote(fixture.store, name, candidate('two'), move, 1);
    expect((await promote(fixture.store, name, candidate('one'), move, 0)).status).toBe('superseded');
    expect((await readChampion(fixture.store, name)).history).toHaveLength(2);
  });

  test('twelve candidates that were all compared with the same champion: one wins', async () => {
    const name = alias();
    const stores = Array.from({ length: 4 }, () => fixture.another());
    const results = await Promise.all(
      Array.from({ length: 12 }, (_, index) =>
        promote(stores[index % 4]!, name, candidate(`c${index}`), move, 0),
      ),
    );
    expect(results.filter(({ status }) => status === 'promoted')).toHaveLength(1);
    expect(results.filter(({ status }) => status === 'moved')).toHaveLength(11);
    expect((await readChampion(fixture.store, name)).version).toBe(1);
  });

  test('moved by twelve people at once, no move is lost', async () => {
    const name = alias();
    await Promise.all(
      Array.from({ length: 12 }, (_, index) => promote(fixture.store, name, candidate(`h${index}`), move)),
    );
    const { history, version } = await readChampion(fixture.store, name);
    expect(version).toBe(12);
    expect(history.map((entry) => entry.version)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(new Set(history.map(({ workflowId }) => workflowId)).size).toBe(12);
  });

  test('goes back to the one before, or to a version; to nothing it does not', async () => {
    const name = alias();
    for (const judge of ['one', 'two', 'three']) await promote(fixture.store, name, candidate(judge), move);
    expect(await rollback(fixture.store, name, move)).toMatchObject({ workflowId: 'two', version: 4 });
    expect(await rollback(fixture.store, name, move, 1)).toMatchObject({ workflowId: 'one', version: 5 });
    expect((await readChampion(fixture.store, name)).current).toMatchObject({
      action: 'rollback',
      version: 5,
    });
    await expect(rollback(fixture.store, name, move, 9)).rejects.toMatchObject({ type: 'InvalidInput' });
    await expect(rollback(fixture.store, alias(), move)).rejects.toMatchObject({ type: 'InvalidInput' });
  });

  test('an alias cannot leave its folder', async () => {
    for (const name of ['../manifests/sft/x', 'a/b', 'A', ''])
      await expect(readChampion(fixture.store, name)).rejects.toThrow();
  });
});

test('new pairs are those of files that are new or changed; all files together are the data', async () => {
  const prefix = `datasets/${freshKey()}/`;
  const put = (name: string, body: string | Uint8Array) => vandalise(fixture.settings, prefix + name, body);
  expect(await watchedPairs(fixture.store, prefix, {})).toEqual({ pairs: 0, newPairs: 0, files: {} });
  await put('a.jsonl', '{"n":1}\n{"n":2}\n');
  await put('b.jsonl.gz', gzipSync('{"n":3}\n\n{"n":4}'));
  await put('readme.txt', 'not data');
  const first = await watchedPairs(fixture.store, prefix, {});
  expect(first).toMatchObject({ pairs: 4, newPairs: 4 });
  expect(Object.keys(first.files)).toEqual([`${prefix}a.jsonl`, `${prefix}b.jsonl.gz`]);
  const text = (await fixture.store.getBytes(first.data!)).toString();
  expect(
    text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { n: number }).n),
  ).toEqual([1, 2, 3, 4]);

  await put('a.jsonl', '{"n":1}\n{"n":2}\n{"n":5}\n');
  const second = await watchedPairs(fixture.store, prefix, first.files);
  expect(second).toMatchObject({ pairs: 5, newPairs: 3 });
  expect(await watchedPairs(fixture.store, prefix, second.files)).toMatchObject({ pairs: 5, newPairs: 0 });
});

test('judges are compared on the items both judged, without the style matrix', async () => {
  const judged = (pairId: string, right: boolean, group?: string): Judgement => ({
    ...{ pairId, category: 'chat', gold: 'A', verdict: right ? 'A' : 'B', promptSha256: '', text: '' },
    ...{ tokens: 1, finished: true },
    ...(group ? { group } : {}),
  });
  const items = (right: (index: number) => boolean) =>
    Array.from({ length: 40 }, (_, index) => judged(`p${index}`, right(index)));
  const put = (judgements: Judgement[]) => fixture.store.putLines('verdicts', judgements);
  const champion = await put([...items((index) => index < 20), judged('m', false, 'matrix')]);
  const candidate = await put([...items((index) => index < 30), judged('m', true, 'matrix')]);
  const found = await compareJudges(fixture.store, { champion: [champion], candidate: [candidate] });
  expect(found).toMatchObject({ items: 40, champion: 0.5, candidate: 0.75, fixed: 10, broken: 0 });
  expect(found.pValue).toBeCloseTo(2 / 2 ** 10);
});
