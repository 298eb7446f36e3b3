/** A bucket of maps, whose answers can be changed one by one: what a real store does not do on demand. */
import { Readable } from 'node:stream';
import { Bucket, type StoredObject, type WriteCondition } from '../../activities/artifacts/bucket.js';
import { StoreError } from '../../activities/artifacts/errors.js';
import { sha256Hex } from '../../activities/artifacts/hashing.js';

export interface MemoryObject extends Omit<StoredObject, 'bytes'> {
  body: Buffer;
}

export class MemoryBucket extends Bucket {
  readonly objects = new Map<string, MemoryObject>();
  /** Requests in order, such as `put x`, `put x if none`, `get x`. */
  readonly asked: string[] = [];
  /** Called before every request is answered; what it throws is the answer. */
  before: (request: string) => void | Promise<void> = () => undefined;
  /** Made of what a read object holds; throw in it to break the connection within the body. */
  streams: (body: Buffer) => Iterable<Uint8Array> = (body) => [body.subarray(0, 3), body.subarray(3)];
  private version = 0;

  constructor() {
    super({ region: 'r', bucket: 'b', forcePathStyle: true });
    super.close();
  }

  override async put(key: string, body: Uint8Array, condition?: WriteCondition): Promise<{ etag: string }> {
    await this.ask('put', key, condition);
    return this.keep(key, Buffer.from(body));
  }

  override async putParts(
    key: string,
    body: AsyncIterable<Uint8Array>,
    expected: { sha256: string; bytes: number },
    condition?: WriteCondition,
  ): Promise<void> {
    await this.ask('put parts', key, condition);
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    const whole = Buffer.concat(chunks);
    if (sha256Hex(whole) !== expected.sha256) throw new Error('these are not the bytes that were promised');
    this.keep(key, whole);
  }

  override async get(
    key: string,
    firstBytes?: number,
  ): Promise<(StoredObject & { body: Readable }) | undefined> {
    await this.ask('get', key);
    const found = this.objects.get(key);
    if (!found) return undefined;
    const { body, ...about } = found;
    return {
      ...about,
      bytes: body.length,
      body: Readable.from(this.streams(body.subarray(0, firstBytes)), { objectMode: false }),
    };
  }

  override async head(key: string): Promise<StoredObject | undefined> {
    await this.ask('head', key);
    const found = this.objects.get(key);
    if (!found) return undefined;
    const { body, ...about } = found;
    return { ...about, bytes: body.length };
  }

  override async *list(prefix: string) {
    await this.ask('list', prefix);
    for (const [key, { body, etag, modifiedAt }] of this.objects)
      if (key.startsWith(prefix)) yield { key, bytes: body.length, etag, ...(modifiedAt && { modifiedAt }) };
  }

  override async delete(key: string): Promise<void> {
    await this.ask('delete', key);
    this.objects.delete(key);
  }

  private keep(key: string, body: Buffer): { etag: string } {
    const etag = `"${(this.version += 1)}"`;
    this.objects.set(key, { body, etag, sha256: sha256Hex(body), modifiedAt: new Date() });
    return { etag };
  }

  private async ask(verb: string, key: string, condition?: WriteCondition): Promise<void> {
    const only = condition && ('ifMatch' in condition ? ` if ${condition.ifMatch}` : ' if none');
    const request = `${verb} ${key}${only ?? ''}`;
    this.asked.push(request);
    await this.before(request);
    const standing = this.objects.get(key);
    if (condition && ('ifMatch' in condition ? standing?.etag !== condition.ifMatch : standing))
      throw new StoreError('PreconditionFailed', `${key} is not as expected`);
  }
}

/** A connection that broke, as Node tells it. */
export const brokenConnection = (): Error =>
  Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' });
