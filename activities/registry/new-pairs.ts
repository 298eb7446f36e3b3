/** What lies below a watched prefix, and how much of it the champion has not seen. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { UserError } from '../../workflows/errors.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import { linesOf } from '../artifacts/json-lines.js';
import { writeStream } from '../artifacts/local-files.js';
import type { ArtifactStore } from '../artifacts/store.js';

/** Text that a gzip file may unpack to: far above any dataset, far below what fills a disk. */
const MOST_BYTES = 64 * 1024 ** 3;

export interface WatchedPairs {
  /** All pairs below the prefix as one artefact; absent where there are none. */
  data?: ArtifactRef;
  pairs: number;
  /** Pairs of the bucket in files that are new or changed since `seen`; pairs of the hub that were not there before. */
  newPairs: number;
  /** Version of every watched file, or the commit of a data set of the hub. */
  files: Record<string, string>;
}

/**
 * Gather every `.jsonl` and `.jsonl.gz` below `prefix` of the bucket, in key order.
 * @param seen versions of the files that the champion was trained on.
 * @throws UserError `BadData` where a file unpacks beyond all measure.
 */
export async function watchedPairs(
  store: ArtifactStore,
  prefix: string,
  seen: Readonly<Record<string, string>>,
): Promise<WatchedPairs> {
  const dir = await mkdtemp(join(tmpdir(), 'rmr1-watch-'));
  try {
    const path = join(dir, 'pairs.jsonl');
    const files: Record<string, string> = {};
    let pairs = 0;
    let newPairs = 0;
    const lines = async function* (): AsyncGenerator<string> {
      let bytes = 0;
      for await (const { key, version } of store.listVersions(prefix)) {
        if (!/\.jsonl(\.gz)?$/.test(key)) continue;
        files[key] = version;
        for await (const line of unpacked(await store.openObject(key), key.endsWith('.gz'))) {
          if (line.trim() === '') continue;
          bytes += line.length + 1;
          if (bytes > MOST_BYTES)
            throw new UserError(
              'BadData',
              `${key}: more than ${MOST_BYTES / 1024 ** 3} GiB of text; split it.`,
            );
          yield `${line}\n`;
          pairs += 1;
          if (seen[key] !== version) newPairs += 1;
        }
      }
    };
    await writeStream(path, lines());
    return { ...(pairs > 0 ? { data: await store.putFile('pairs', path) } : {}), pairs, newPairs, files };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function* unpacked(body: Readable, gzip: boolean): AsyncGenerator<string, void> {
  const plain = gzip ? body.pipe(createGunzip()) : body;
  if (gzip) body.on('error', (error) => plain.destroy(error));
  try {
    yield* linesOf(plain);
  } finally {
    body.destroy();
  }
}
