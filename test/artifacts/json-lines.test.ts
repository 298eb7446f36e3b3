/** Lines of streams: what is not read to its end is closed all the same. */
import { createReadStream, existsSync } from 'node:fs';
import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { linesOf, openLines, putLines } from '../../activities/artifacts/json-lines.js';
import { Objects } from '../../activities/artifacts/objects.js';
import { mergeSorted, writeLines } from '../../activities/oracle/spool.js';
import { until } from '../support/until.js';
import { MemoryBucket } from './memory-bucket.js';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rmr1-lines-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** More than a stream reads ahead. */
const rows = Array.from({ length: 50_000 }, (_, id) => ({ id }));

const onLinux = test.skipIf(!existsSync('/proc/self/fd'));

/** Files of this process that are open and whose path holds `part`. */
async function openFiles(part: string): Promise<string[]> {
  const open = await readdir('/proc/self/fd');
  const paths = await Promise.all(open.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return paths.filter((path) => path.includes(part));
}

const closed = (part: string) => until('the end of the file', async () => !(await openFiles(part)).length);

async function first<T>(all: AsyncIterable<T>, whileOpen: () => Promise<void>): Promise<T> {
  for await (const one of all) {
    await whileOpen();
    return one;
  }
  throw new Error('nothing to read');
}

onLinux('an artefact that is not read to its end is no longer open', async () => {
  const objects = new Objects(new MemoryBucket(), undefined);
  const ref = await putLines(objects, 'samples', rows);
  const row = await first(openLines(objects, ref), async () => {
    expect(await openFiles(ref.sha256)).toHaveLength(1);
  });
  expect(row).toEqual({ id: 0 });
  await closed(ref.sha256);
});

onLinux('sorted runs that are not merged to their end are no longer open', async () => {
  const paths = ['one', 'two'].map((name) => join(dir, name));
  for (const path of paths) await writeLines(path, rows);
  const row = await first(
    mergeSorted<{ id: number }>(paths, ({ id }) => String(id)),
    async () => {
      expect(await openFiles(dir)).toHaveLength(2);
    },
  );
  expect(row).toEqual({ id: 0 });
  await closed(dir);
});

test('a stream that breaks is an error, not an end', async () => {
  const path = join(dir, 'text');
  await writeFile(path, 'one\ntwo\nthree');
  const whole: string[] = [];
  for await (const line of linesOf(createReadStream(path))) whole.push(line);
  expect(whole).toEqual(['one', 'two', 'three']);

  const broken = Readable.from(
    (async function* () {
      yield await Promise.resolve('one\ntwo\nthr');
      throw new Error('connection reset');
    })(),
  );
  const read = async () => {
    for await (const line of linesOf(broken)) expect(whole.join('\n')).toContain(line);
  };
  await expect(read()).rejects.toThrow('connection reset');
});
