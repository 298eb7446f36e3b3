/** JSONL files on the local disk: sorted runs and their merge. */
import { createReadStream } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { onLocalDisk } from '../artifacts/local-files.js';

export async function writeLines(path: string, rows: readonly unknown[]): Promise<void> {
  await onLocalDisk(path, () => writeFile(path, encode(rows)));
}

export async function appendLines(path: string, rows: readonly unknown[]): Promise<void> {
  if (rows.length > 0) await onLocalDisk(path, () => appendFile(path, encode(rows)));
}

/** The rows of files that are sorted by `key`, sorted; equal keys in the order of the files. */
export async function* mergeSorted<T>(paths: readonly string[], key: (row: T) => string): AsyncGenerator<T> {
  const heads: { row: T; rest: AsyncIterator<T, void> }[] = [];
  for (const path of paths) {
    const rest = readLines<T>(path);
    const first = await rest.next();
    if (!first.done) heads.push({ row: first.value, rest });
  }
  while (heads.length > 0) {
    const least = heads.reduce((a, b) => (key(b.row) < key(a.row) ? b : a));
    yield least.row;
    const next = await least.rest.next();
    if (next.done) heads.splice(heads.indexOf(least), 1);
    else least.row = next.value;
  }
}

async function* readLines<T>(path: string): AsyncGenerator<T, void> {
  const lines = createInterface({ input: createReadStream(path, 'utf8'), crlfDelay: Infinity });
  for await (const line of lines) if (line !== '') yield JSON.parse(line) as T;
}

function encode(rows: readonly unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}
