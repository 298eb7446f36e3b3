/** Durable file primitives: nothing is visible under its final name before it is complete and on disk. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { badData, reading } from '../errors.js';

const CHUNK_BYTES = 4 << 20;

/** Write all of `bytes` to an open file; a write may take several system calls. */
function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;)
    at += writeSync(file, bytes, at, Math.min(bytes.length - at, CHUNK_BYTES));
}

/** Write a file and force it to disk; returns the SHA-256 of its content in hex. */
export function writeDurably(path: string, content: string | Iterable<Uint8Array>): string {
  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  try {
    for (const part of typeof content === 'string' ? [Buffer.from(content)] : content) {
      hash.update(part);
      writeAll(file, part);
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}

function syncDirectory(dir: string): void {
  const handle = openSync(dir, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/**
 * Make the directory `dir` in one step: `fill` writes into a temporary neighbour, which is synced and then renamed.
 * A directory that already has the name is replaced. Temporary directories of earlier, killed processes are removed.
 */
export function writeDirectory<T>(dir: string, fill: (temporary: string) => T): T {
  const parent = dirname(dir);
  mkdirSync(parent, { recursive: true });
  const prefix = `.${basename(dir)}.writing-`;
  for (const name of readdirSync(parent))
    if (name.startsWith(prefix)) rmSync(join(parent, name), { recursive: true, force: true });
  const temporary = join(parent, `${prefix}${process.pid}`);
  mkdirSync(temporary);
  try {
    const result = fill(temporary);
    syncDirectory(temporary);
    if (existsSync(dir)) rmSync(dir, { recursive: true });
    renameSync(temporary, dir);
    syncDirectory(parent);
    return result;
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** SHA-256 of a file's content in hex, read in chunks. `what` names the file in errors. */
export function sha256File(path: string, what: string): string {
  const hash = createHash('sha256');
  const file = reading(what, path, () => openSync(path, 'r'));
  try {
    const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
    for (let got; (got = readSync(file, chunk, 0, chunk.length, null)) > 0;)
      hash.update(chunk.subarray(0, got));
  } finally {
    closeSync(file);
  }
  return hash.digest('hex');
}

/** Fail with a data error unless `path` is a directory. */
export function requireDirectory(path: string, what: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw badData(`${what} is missing: there is no directory ${path}`);
  if (!found.isDirectory()) throw badData(`${what} is not a directory: ${path}`);
}
