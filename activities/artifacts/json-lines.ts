import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { corrupt } from './errors.js';
import { onLocalDisk, writeStream } from './local-files.js';
import type { Objects } from './objects.js';
import type { ArtifactKind, ArtifactRef } from './ref.js';

/** Stores one JSON value a line. Rows are spooled to disk, so their number is bounded by it and not by memory. */
export async function putLines(
  objects: Objects,
  kind: ArtifactKind,
  rows: Iterable<unknown> | AsyncIterable<unknown>,
): Promise<ArtifactRef> {
  const dir = await onLocalDisk(tmpdir(), () => mkdtemp(join(tmpdir(), 'rmr1-')));
  try {
    const path = join(dir, 'rows.jsonl');
    await writeStream(path, encodeLines(rows));
    return await objects.putFile(kind, path);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * The values of a JSONL artefact, one at a time. The whole artefact is verified before the first is yielded.
 *
 * @throws StoreError `CorruptArtifact` naming the line that is no JSON.
 */
export async function* openLines(objects: Objects, ref: ArtifactRef): AsyncGenerator<unknown> {
  const dir = await onLocalDisk(tmpdir(), () => mkdtemp(join(tmpdir(), 'rmr1-')));
  try {
    const path = join(dir, ref.sha256);
    await objects.getFile(ref, path);
    let line = 0;
    for await (const text of linesOf(createReadStream(path, 'utf8'))) {
      line += 1;
      if (text.trim() !== '') yield decodeLine(text, line, ref.uri);
    }
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/**
 * The lines of a stream. Who breaks off closes it, and a stream that breaks is an error, not an end: readline alone
 * leaves the first open, and does not promise the second.
 */
export async function* linesOf(input: Readable): AsyncGenerator<string, void> {
  try {
    yield* createInterface({ input, crlfDelay: Infinity });
    if (input.errored) throw input.errored;
  } finally {
    input.destroy();
  }
}

function decodeLine(text: string, line: number, uri: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw corrupt(uri, `line ${line} is not JSON (${(error as Error).message})`);
  }
}

const BATCH_CHARS = 1 << 18;

async function* encodeLines(rows: Iterable<unknown> | AsyncIterable<unknown>): AsyncGenerator<Uint8Array> {
  let batch = '';
  for await (const row of rows) {
    batch += `${JSON.stringify(row)}\n`;
    if (batch.length < BATCH_CHARS) continue;
    yield Buffer.from(batch);
    batch = '';
  }
  if (batch) yield Buffer.from(batch);
}
