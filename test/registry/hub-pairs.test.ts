/** New pairs of a data set of the hub: what came with a commit is counted, what was there before is not. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { hubPairs } from '../../activities/registry/hub-pairs.js';
import { nameOfWatched, watchedHubSchema } from '../../workflows/watched-hub.js';
import { startHubServer, type HubFiles, type HubServer } from '../dataset/hub-server.js';
import { useStore } from '../artifacts/shared-store.js';

const MONDAY = 'a'.repeat(40);
const TUESDAY = 'b'.repeat(40);
const WATCHED = watchedHubSchema.parse({ hub: 'people/preferences' });
const NAME = nameOfWatched(WATCHED);

const fixture = useStore();
let hub: HubFiles;
let server: HubServer;
let cache: string;
beforeAll(async () => {
  cache = await mkdtemp(join(tmpdir(), 'rmr1-hub-'));
  hub = { repository: 'people/preferences', files: {} };
  server = await startHubServer(hub);
});
afterAll(async () => {
  await server?.close();
  await rm(cache, { recursive: true, force: true });
});
beforeEach(() => {
  Object.assign(hub, { commit: MONDAY, earlier: {}, files: { 'data/train.jsonl': lines('one', 'two') } });
  hub.files['data/test.jsonl'] = lines('never');
  server.requests.length = 0;
});

const pair = (name: string) => ({
  prompt: `About ${name}?`,
  chosen: `Right: ${name}.`,
  rejected: `Wrong: ${name}.`,
});
const lines = (...names: string[]) =>
  Buffer.from(names.map((name) => `${JSON.stringify(pair(name))}\n`).join(''));
const look = (seen: Record<string, string>, watched = WATCHED) =>
  hubPairs(fixture.store, watched, seen, { endpoint: server.url, cache, retryDelays: [] });
/** Another commit; the one before stays. */
function push(commit: string, files: Record<string, Buffer>): void {
  hub.earlier = { ...hub.earlier, [hub.commit!]: hub.files };
  Object.assign(hub, { commit, files });
}

test('the first look takes the split as it is; the same commit again is not even downloaded', async () => {
  const first = await look({});
  expect(first).toMatchObject({ pairs: 2, newPairs: 2, files: { [NAME]: MONDAY } });
  const text = (await fixture.store.getBytes(first.data!)).toString();
  expect(text).toBe(lines('one', 'two').toString());
  server.requests.length = 0;
  expect(await look(first.files)).toEqual({ pairs: 0, newPairs: 0, files: { [NAME]: MONDAY } });
  expect(server.requests.filter(({ path }) => path.includes('/resolve/'))).toEqual([]);
});

test('of a new commit only pairs that stood nowhere before are new, in whatever file and container', async () => {
  const rows = ['two', 'three', 'four', 'four'].map(pair);
  const column = (name: keyof ReturnType<typeof pair>) => ({ name, data: rows.map((row) => row[name]) });
  const parquet = Buffer.from(
    parquetWriteBuffer({ columnData: [column('prompt'), column('chosen'), column('rejected')] }),
  );
  push(TUESDAY, { 'data/train-00000.jsonl': lines('one'), 'data/train-00001.parquet': parquet });
  expect(await look({ [NAME]: MONDAY })).toMatchObject({ pairs: 5, newPairs: 2, files: { [NAME]: TUESDAY } });
});

test('a commit that changed something else brings nothing; one whose forerunner is gone brings everything', async () => {
  push(TUESDAY, { ...hub.files, 'README.md': Buffer.from('a card') });
  expect(await look({ [NAME]: MONDAY })).toEqual({ pairs: 0, newPairs: 0, files: { [NAME]: TUESDAY } });
  hub.earlier = {};
  expect(await look({ [NAME]: MONDAY })).toMatchObject({ pairs: 2, newPairs: 2, files: { [NAME]: TUESDAY } });
});

test('a file in place of a split; neither leads out of the data set, and what is not there is named', async () => {
  expect(await look({}, { ...WATCHED, file: 'data/test.jsonl' })).toMatchObject({ pairs: 1, newPairs: 1 });
  await expect(look({}, { ...WATCHED, split: 'validation' })).rejects.toMatchObject({
    type: 'HubRefused',
    message: expect.stringContaining("of split 'validation'") as string,
  });
  await expect(look({}, { ...WATCHED, hub: 'people/nothing' })).rejects.toMatchObject({ type: 'HubRefused' });
  for (const wrong of [
    { hub: 'nobody' },
    { hub: '../..' },
    { hub: 'a/b', file: '../c' },
    { hub: 'a/b', url: 'x' },
  ])
    expect(watchedHubSchema.safeParse(wrong).success, JSON.stringify(wrong)).toBe(false);
});
