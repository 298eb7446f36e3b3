/** Records of a data file, whatever its container: JSON lines (plain or gzip), a JSON list, or parquet. */
import { createReadStream } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { createGunzip, gunzipSync } from 'node:zlib';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { BadDataError } from '../bad-data.js';
import type { Problem } from '../bad-data.js';
import { readLines } from '../read-lines.js';

/** A record and where it stands, in the form of a problem's place. */
export interface Row {
  value: unknown;
  /** Line of JSON lines. */
  line?: number;
  /** Index in a list or a parquet file, from 0. */
  index?: number;
}

/** A list is held in memory as a whole: no published benchmark comes near this, and a bomb goes far beyond. */
const MOST_LIST_BYTES = 1024 ** 3;

/** Containers that are looked for in folders and data sets. */
export const DATA_FILE = /\.(parquet|json|jsonl|ndjson)(\.gz)?$/;

/**
 * The records of `path`, whose container is recognised by its first bytes.
 * @throws BadDataError for a file that is missing, damaged or of another kind.
 */
export async function* readRows(path: string, source: string): AsyncGenerator<Row> {
  const head = await firstBytes(path, source);
  if (head.toString('latin1').startsWith('PAR1')) yield* parquetRows(path, source);
  else if (await isList(path, head)) yield* listRows(path, source);
  else yield* jsonLines(path, source);
}

/** The problem of a field of a row, at its place. */
export function problemAt({ line, index }: Row, field: string, message: string): Problem {
  if (line !== undefined) return { line, ...(field && { field }), message };
  return { field: field ? `[${index}].${field}` : `[${index}]`, message };
}

async function* jsonLines(path: string, source: string): AsyncGenerator<Row> {
  for await (const { number: line, text } of readLines(path, source)) {
    if (text.trim() === '') continue;
    yield { line, value: parseJson(text, source, line) };
  }
}

async function* listRows(path: string, source: string): AsyncGenerator<Row> {
  let bytes: Buffer = await readFile(path);
  if (bytes[0] === 0x1f) bytes = unpacked(bytes, source);
  const values = parseJson(bytes.toString('utf8'), source) as unknown[];
  for (const [index, value] of values.entries()) yield { index, value };
}

async function* parquetRows(path: string, source: string): AsyncGenerator<Row> {
  let rows: Record<string, unknown>[];
  try {
    rows = await parquetReadObjects({ file: await asyncBufferFromFile(path) });
  } catch (cause) {
    const message = `is a parquet file that cannot be read (${(cause as Error).message}); download it again, or convert it to JSONL`;
    throw new BadDataError(source, [{ message }], 0, { cause });
  }
  for (const [index, value] of rows.entries()) yield { index, value };
}

function parseJson(text: string, source: string, line?: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = (cause as Error).message.replace(/\s+/g, ' ');
    const message = `is not valid JSON (${reason}); write one JSON object a line, or one list of objects`;
    throw new BadDataError(source, [line === undefined ? { message } : { line, message }], 0, { cause });
  }
}

/** Is the first character after white space that of a list? Of gzip the first bytes are unpacked. */
async function isList(path: string, head: Buffer): Promise<boolean> {
  let text = head.toString('latin1');
  if (head[0] === 0x1f && head[1] === 0x8b) {
    try {
      text = await unpackedHead(path, head.length);
    } catch {
      // Lines of a damaged file are reported by the reader of lines.
      return false;
    }
  }
  return text
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
    .startsWith('[');
}

function unpacked(bytes: Buffer, source: string): Buffer {
  try {
    return gunzipSync(bytes, { maxOutputLength: MOST_LIST_BYTES });
  } catch (cause) {
    const large = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    const message = large
      ? 'unpacks to more than 1 GiB; write one JSON object a line instead of one list'
      : 'is a damaged gzip file; copy or download it again';
    throw new BadDataError(source, [{ message }], 0, { cause });
  }
}

/** The first bytes of what a gzip file holds; no more of it is unpacked than that takes. */
async function unpackedHead(path: string, length: number): Promise<string> {
  const file = createReadStream(path);
  let text = '';
  try {
    for await (const chunk of file.pipe(createGunzip()) as AsyncIterable<Buffer>) {
      text += chunk.toString('latin1');
      if (text.length >= length) break;
    }
  } finally {
    file.destroy();
  }
  return text.slice(0, length);
}

async function firstBytes(path: string, source: string): Promise<Buffer> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(256), 0, 256, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const message = missing
      ? 'does not exist; check the path'
      : `cannot be read (${(cause as Error).message}); check the path`;
    throw new BadDataError(source, [{ message }], 0, { cause });
  }
}
