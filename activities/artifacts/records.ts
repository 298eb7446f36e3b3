import type { Bucket, WriteCondition } from './bucket.js';
import { canonicalJson } from './canonical-json.js';
import { corrupt } from './errors.js';
import { parseJson } from './directories.js';
import { sha256Hex } from './hashing.js';

/** A small mutable JSON object and the version that a compare-and-swap names. */
export interface JsonRecord {
  value: unknown;
  etag: string;
}

/** Small JSON objects that change by compare-and-swap: aliases, ledgers, fences, manifests. */
export class Records {
  constructor(private readonly bucket: Bucket) {}

  /** @throws StoreError `CorruptArtifact` if the stored text is not what its writer sealed. */
  async getJson(key: string): Promise<JsonRecord | undefined> {
    const found = await this.bucket.get(key);
    if (!found) return undefined;
    const text = await collect(found.body).catch((error: unknown) => {
      throw this.bucket.translate(error, key);
    });
    const value = parseJson(text.toString('utf8'));
    const sound = found.sha256 === undefined || found.sha256 === sha256Hex(text);
    if (!sound || value === undefined)
      throw corrupt(this.bucket.uri(key), 'it is not the JSON that was stored');
    return { value, etag: found.etag };
  }

  /**
   * Writes a record if `condition` holds. Racers for one key should put something of their own (an owner, a
   * time) into the value: a writer whose answer was lost recognises its own write by its bytes.
   *
   * @throws StoreError `PreconditionFailed` if another writer was first.
   */
  async putJson(key: string, value: unknown, condition?: WriteCondition): Promise<{ etag: string }> {
    return this.bucket.put(key, Buffer.from(canonicalJson(value)), condition);
  }

  /** Writes bytes under a key of the caller's. */
  async putBytes(key: string, body: Uint8Array, condition?: WriteCondition): Promise<void> {
    await this.bucket.put(key, body, condition);
  }

  /**
   * The bytes under `key`, or only the first so many of them.
   * @throws StoreError `CorruptArtifact` if the whole of them is not what its writer sealed.
   */
  async getBytes(key: string, firstBytes?: number): Promise<Buffer | undefined> {
    const found = await this.bucket.get(key, firstBytes);
    if (!found) return undefined;
    const bytes = await collect(found.body).catch((error: unknown) => {
      throw this.bucket.translate(error, key);
    });
    const sound = firstBytes !== undefined || found.sha256 === undefined || found.sha256 === sha256Hex(bytes);
    if (!sound) throw corrupt(this.bucket.uri(key), 'it is not what was stored');
    return bytes;
  }

  /** Keys below `prefix`: all, or the first `limit`. */
  async listKeys(prefix: string, limit = Infinity): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of this.bucket.list(prefix)) {
      if (keys.length >= limit) break;
      keys.push(key);
    }
    return keys;
  }

  async delete(key: string): Promise<void> {
    await this.bucket.delete(key);
  }
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
