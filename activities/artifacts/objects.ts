import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PART_BYTES, type Bucket, type StoredObject } from './bucket.js';
import { StoreError, corrupt, isStoreError } from './errors.js';
import { hashFile, sha256Hex } from './hashing.js';
import type { LocalCache } from './local-cache.js';
import { onLocalDisk, writeAtomically, writeStream } from './local-files.js';
import type { ArtifactKind, ArtifactRef } from './ref.js';
import { isNetworkError } from './translate-error.js';

/** Bytes sealed under a hash: what a reference, a listing entry and a checkpoint part have in common. */
export interface Sealed {
  sha256: string;
  bytes: number;
}

const READ_ATTEMPTS = 4;
/** What is stored again after this long is written again: its age tells a clean-up whether anybody wanted it lately. */
const RENEW_AFTER_MS = 24 * 3600_000;

/** Content-addressed objects: `objects/<aa>/<sha256>`, written once, verified on every read. */
export class Objects {
  constructor(
    private readonly bucket: Bucket,
    private readonly cache: LocalCache | undefined,
  ) {}

  /** Stores bytes; storing the same bytes again, or at the same time, is harmless. */
  async putBytes(kind: ArtifactKind, body: Uint8Array): Promise<ArtifactRef> {
    const sealed = { sha256: sha256Hex(body), bytes: body.length };
    await this.writeOnce(objectKey(sealed.sha256), sealed, (replace) =>
      this.bucket.put(objectKey(sealed.sha256), body, replace ? undefined : { ifNoneMatch: true }),
    );
    return this.ref(kind, sealed);
  }

  /** Stores a file; above 16 MiB in parts, after asking whether the store already has it. */
  async putFile(kind: ArtifactKind, path: string): Promise<ArtifactRef> {
    const { size } = await stat(path);
    if (size <= PART_BYTES) return this.putBytes(kind, await readFile(path));

    const sealed = await hashFile(path);
    const key = objectKey(sealed.sha256);
    const stored = await this.bucket.head(key);
    if (!isGood(stored, sealed)) {
      await this.writeOnce(key, sealed, (replace) =>
        this.bucket.putParts(
          key,
          promised(path, sealed),
          sealed,
          replace || stored ? undefined : { ifNoneMatch: true },
        ),
      );
    }
    return this.ref(kind, sealed);
  }

  /** Stores a file under a key of its own, replacing what is there: for checkpoint parts. */
  async putFileAt(key: string, path: string): Promise<Sealed> {
    const { size } = await stat(path);
    if (size <= PART_BYTES) {
      const body = await readFile(path);
      await this.bucket.put(key, body);
      return { sha256: sha256Hex(body), bytes: body.length };
    }
    const sealed = await hashFile(path);
    await this.bucket.putParts(key, promised(path, sealed), sealed);
    return sealed;
  }

  /** The verified content of a reference, in memory. */
  async getBytes(ref: ArtifactRef): Promise<Buffer> {
    const key = this.bucket.keyOf(ref.uri);
    return this.reading(key, async () => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of this.verified(key, ref)) chunks.push(chunk);
      return Buffer.concat(chunks);
    });
  }

  /** Writes the verified content of a reference to `path`, whole or not at all. */
  async getFile(ref: ArtifactRef, path: string): Promise<void> {
    if (await this.cache?.copyTo(ref.sha256, path)) return;
    await this.getFileAt(this.bucket.keyOf(ref.uri), ref, path);
    await this.cache?.insert(ref.sha256, path);
  }

  /** Like {@link getFile}, for an object whose seal is kept elsewhere. */
  async getFileAt(key: string, sealed: Sealed, path: string): Promise<void> {
    await this.reading(key, () =>
      writeAtomically(path, (partial) => writeStream(partial, this.verified(key, sealed))),
    );
  }

  /** Runs `use` on a verified local copy and removes the copy afterwards. */
  async withFile<T>(ref: ArtifactRef, use: (path: string) => Promise<T>): Promise<T> {
    const dir = await onLocalDisk(tmpdir(), () => mkdtemp(join(tmpdir(), 'rmr1-')));
    try {
      const path = join(dir, ref.sha256);
      await this.getFile(ref, path);
      return await use(path);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  /** Whether the object is there in full length; its bytes are not read. */
  async has(ref: ArtifactRef): Promise<boolean> {
    const stored = await this.bucket.head(this.bucket.keyOf(ref.uri));
    return stored?.bytes === ref.bytes;
  }

  ref(kind: ArtifactKind, sealed: Sealed): ArtifactRef {
    return { uri: this.bucket.uri(objectKey(sealed.sha256)), ...sealed, kind };
  }

  /** Losing to an earlier writer of the same content is success, unless what stands there has another length or is old. */
  private async writeOnce(
    key: string,
    sealed: Sealed,
    write: (replace: boolean) => Promise<unknown>,
  ): Promise<void> {
    try {
      await write(false);
    } catch (error) {
      if (!isStoreError(error, 'PreconditionFailed')) throw error;
      const stored = await this.bucket.head(key);
      if (!isGood(stored, sealed)) await write(true);
    }
  }

  /** Streams an object and fails at its end unless length and hash are as sealed. */
  private async *verified(key: string, sealed: Sealed): AsyncGenerator<Uint8Array> {
    const found = await this.bucket.get(key);
    if (!found) throw this.bucket.missing(key);
    const hash = createHash('sha256');
    let bytes = 0;
    for await (const chunk of found.body as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      bytes += chunk.length;
      yield chunk;
    }
    if (bytes !== sealed.bytes) {
      throw corrupt(this.bucket.uri(key), `it has ${bytes} bytes where ${sealed.bytes} were stored`);
    }
    const sha256 = hash.digest('hex');
    if (sha256 !== sealed.sha256) {
      throw corrupt(this.bucket.uri(key), `its sha256 is ${sha256} where ${sealed.sha256} was stored`);
    }
  }

  /** Repeats a whole read when the connection breaks inside the body, and once when the content looks wrong. */
  private async reading<T>(key: string, read: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await read();
      } catch (error) {
        const again = isNetworkError(error)
          ? attempt < READ_ATTEMPTS
          : isStoreError(error, 'CorruptArtifact') && attempt === 1;
        if (!again) throw isLocal(error) ? error : this.bucket.translate(error, key);
        await delay(100 * 2 ** attempt);
      }
    }
  }
}

/** `objects/<first two digits>/<sha256>`. */
export function objectKey(sha256: string): string {
  return `objects/${sha256.slice(0, 2)}/${sha256}`;
}

/** A file's bytes, failing at their end if it is no longer the file that was hashed. */
async function* promised(path: string, sealed: Sealed): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest('hex') !== sealed.sha256) {
    throw new StoreError(
      'CorruptArtifact',
      `${path} changed while it was uploaded. Close what writes to it and store it again.`,
    );
  }
}

function isGood(stored: StoredObject | undefined, { bytes }: Sealed): boolean {
  const { modifiedAt } = stored ?? {};
  return stored?.bytes === bytes && (!modifiedAt || Date.now() - modifiedAt.getTime() < RENEW_AFTER_MS);
}

/** A failure of this machine's file system, which names its own cause. */
function isLocal(error: unknown): boolean {
  return isStoreError(error) || typeof (error as NodeJS.ErrnoException).syscall === 'string';
}
