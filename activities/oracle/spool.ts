/** JSONL files on the local disk: sorted runs and their merge. */
import { createReadStream } from 'node:fs';
import { appendFile, writeFile } from 'node:fs/promises';
import { linesOf } from '../artifacts/json-lines.js';
import { onLocalDisk } from '../artifacts/local-files.js';

export async function writeLines(path: string, rows: readonly unknown[]): Promise<void> {
  await onLocalDisk(path, () => writeFile(path, encode(rows)));
}

export async function appendLines(path: string, rows: readonly unknown[]): Promise<void> {
  if (rows.length > 0) await onLocalDisk(path, () => appendFile(path, encode(rows)));
}

/** The rows of files that are sorted by `key`, sorted; equal keys in the order of the files. */
export async function* mergeSorted<T>(paths: readonly string[], key: (row: T) => string): AsyncGenerator<T> {
  const heads: { row: T; rest: AsyncGenerator<T, void> }[] = [];
  try {
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
  } finally {
    for (const { rest } of heads) await rest.return();
  }
}

async function* readLines<T>(path: string): AsyncGenerator<T, void> {
  for await (const line of linesOf(createReadStream(path, 'utf8')))
    if (line !== '') yield JSON.parse(line) as T;
}

function encode(rows: readonly unknown[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}
