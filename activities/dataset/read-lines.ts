/** Lines of a text file, plain or gzip, with their numbers; bytes that are not UTF-8 are reported by line. */
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { PassThrough } from 'node:stream';
import type { Readable } from 'node:stream';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { BadDataError } from './bad-data.js';

export interface Line {
  /** 1-based. */
  number: number;
  text: string;
}

/** Longest line read; a longer one is a sign of a wrong format and would not fit a model anyway. */
const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** Text packs to a tenth or so; what unpacks to far more than this was made to fill a disk. */
const MAX_GZIP_RATIO = 200;
/** Small files may be as repetitive as they like. */
const RATIO_COUNTS_FROM = 64 * 1024 * 1024;

const NEWLINE = 0x0a;
const GZIP_MAGIC = [0x1f, 0x8b];

/**
 * Stream the lines of `path`. Gzip is recognised by its first bytes, whatever the name says.
 * @throws BadDataError for a file that is missing, unreadable, truncated, not text, or has an over-long line.
 */
export async function* readLines(path: string, source = path): AsyncGenerator<Line> {
  const fail = (message: string, line?: number): never => {
    throw new BadDataError(source, [line === undefined ? { message } : { line, message }]);
  };
  const head = await firstBytes(path, source);
  if (head.toString('latin1').startsWith('PAR1'))
    fail('is a parquet file; convert it to JSONL, one JSON object a line');
  const gzip = GZIP_MAGIC.every((byte, index) => head[index] === byte);
  if (!gzip && path.endsWith('.gz')) fail('is named .gz but is not gzip; rename it or compress it again');

  const bytes = createReadStream(path, { highWaterMark: 1 << 18 });
  const stream = gzip ? gunzip(bytes) : bytes;
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let number = 0;
  const decode = (line: Buffer): Line => {
    number += 1;
    try {
      return { number, text: decoder.decode(line) };
    } catch {
      return fail('is not UTF-8 text; save the file as UTF-8', number);
    }
  };

  let rest: Buffer[] = [];
  let restBytes = 0;
  let unpacked = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      unpacked += chunk.length;
      if (gzip && unpacked > RATIO_COUNTS_FROM && unpacked > MAX_GZIP_RATIO * bytes.bytesRead)
        fail(`unpacks to more than ${MAX_GZIP_RATIO} times its size; unpack it and look at it first`);
      let start = 0;
      for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
        rest.push(chunk.subarray(start, end));
        yield decode(Buffer.concat(rest));
        rest = [];
        restBytes = 0;
        start = end + 1;
      }
      if (start < chunk.length) {
        rest.push(chunk.subarray(start));
        restBytes += chunk.length - start;
        if (restBytes > MAX_LINE_BYTES) fail('is longer than 64 MiB; write one pair a line', number + 1);
      }
    }
    if (restBytes > 0) yield decode(Buffer.concat(rest));
  } catch (error) {
    throw BadDataError.isInstance(error) ? error : unreadable(source, error);
  } finally {
    bytes.destroy();
    stream.destroy();
  }
}

async function firstBytes(path: string, source: string): Promise<Buffer> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unreadable(source, error);
  }
}

/** A decompressor whose errors, and those of its source, reach the reader. */
function gunzip(bytes: Readable): PassThrough {
  const out = new PassThrough();
  pipeline(bytes, createGunzip(), out).catch((error: unknown) => out.destroy(error as Error));
  return out;
}

const READ_ERRORS: Record<string, string> = {
  ENOENT: 'does not exist; check the path',
  EISDIR: 'is a directory; give the path of a JSONL file',
  EACCES: 'cannot be read; give the current user read permission',
  EPERM: 'cannot be read; give the current user read permission',
  Z_BUF_ERROR: 'is a truncated gzip file; copy or download it again',
  Z_DATA_ERROR: 'is a damaged gzip file; copy or download it again',
};

function unreadable(source: string, cause: unknown): BadDataError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const text = (code && READ_ERRORS[code]) ?? `cannot be read (${message}); check the file`;
  return new BadDataError(source, [{ message: text }], 0, { cause });
}
