/** Bring a local data file to where every worker can read it. */
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { writeStream } from '../activities/artifacts/local-files.js';
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import type { ArtifactStore } from '../activities/artifacts/store.js';
import { checkPairs, type CheckedFile } from './check-pairs.js';
import { withStore } from './store.js';

/**
 * Check and store a JSONL file. It is always stored decompressed, so that the same pairs have the same hash
 * whether they came as gzip or not, and stages made from them are found again.
 */
export async function uploadPairs(file: string): Promise<CheckedFile & { ref: ArtifactRef }> {
  const checked = await checkPairs(file);
  return { ...checked, ref: await withStore((store) => putPlain(file, store)) };
}

async function putPlain(file: string, store: ArtifactStore): Promise<ArtifactRef> {
  if (!(await isGzip(file))) return store.putFile('pairs', file);
  const dir = await mkdtemp(join(tmpdir(), 'rmr1-upload-'));
  try {
    const plain = join(dir, basename(file).replace(/\.gz$/, ''));
    await pipeline(createReadStream(file), createGunzip(), (unpacked: AsyncIterable<Buffer>) =>
      writeStream(plain, unpacked),
    );
    return await store.putFile('pairs', plain);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return buffer[0] === 0x1f && buffer[1] === 0x8b;
  } finally {
    await handle.close();
  }
}
