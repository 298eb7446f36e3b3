import { mkdir, open, rename, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { StoreError } from './errors.js';

const FULL_DISK_CODES = new Set(['ENOSPC', 'EDQUOT']);

/** Runs a local write and turns a full disk into `DiskFull`. */
export async function onLocalDisk<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (FULL_DISK_CODES.has((error as NodeJS.ErrnoException).code ?? '')) {
      throw new StoreError(
        'DiskFull',
        `No space left while writing ${path}. Free disk space there, or point at a larger disk whichever of RMR1_HOME, RMR1_CACHE and TMPDIR it lies under.`,
        { cause: error },
      );
    }
    throw error;
  }
}

/** A sibling name that cannot collide; on the same file system, so that a rename is atomic. */
function partialName(path: string): string {
  return `${path}.partial-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** Streams bytes, or text as UTF-8, to a file as it is, without atomicity. */
export async function writeStream(
  path: string,
  source: AsyncIterable<Uint8Array | string> | Iterable<string>,
): Promise<void> {
  await onLocalDisk(path, async () => {
    // Opened first: a stream that still opens its file when the source breaks off makes it after it was removed.
    const file = await open(path, 'w');
    await pipeline(source, file.createWriteStream());
  });
}

/** Lets `fill` write a temporary sibling and moves it to `path` only if it succeeds: readers never see half a file. */
export async function writeAtomically(path: string, fill: (partial: string) => Promise<void>): Promise<void> {
  await onLocalDisk(path, () => mkdir(dirname(path), { recursive: true }));
  const partial = partialName(path);
  try {
    await onLocalDisk(path, () => fill(partial));
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}
