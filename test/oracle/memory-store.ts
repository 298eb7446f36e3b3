/** The part of the store that oracle activities touch, in memory: several caches over one are several workers. */
import type { WriteCondition } from '../../activities/artifacts/bucket.js';
import { StoreError } from '../../activities/artifacts/errors.js';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import type { ArtifactStore } from '../../activities/artifacts/store.js';
import { fakeRef } from '../support/fake-activities.js';

export class MemoryStore {
  readonly segments = new Map<string, Buffer>();
  readonly lines = new Map<string, unknown[]>();
  /** Set it to lose writes: called before each one. */
  onPut: (key: string) => void | Promise<void> = () => undefined;

  async putSegment(key: string, body: Uint8Array, condition?: WriteCondition): Promise<void> {
    await this.onPut(key);
    if (condition && 'ifNoneMatch' in condition && this.segments.has(key))
      throw new StoreError('PreconditionFailed', `${key} was changed by another writer.`);
    this.segments.set(key, Buffer.from(body));
  }
  async getSegment(key: string, firstBytes?: number): Promise<Buffer | undefined> {
    return this.segments.get(key)?.subarray(0, firstBytes);
  }
  async listKeys(prefix: string): Promise<string[]> {
    return [...this.segments.keys()].filter((key) => key.startsWith(prefix)).sort();
  }
  async *openLines({ sha256 }: ArtifactRef): AsyncGenerator<unknown> {
    yield* this.lines.get(sha256) ?? [];
  }
  async putLines(kind: 'outputs' | 'pairs', rows: Iterable<unknown>): Promise<ArtifactRef> {
    const ref = fakeRef(`lines-${this.lines.size}`, kind);
    this.lines.set(ref.sha256, [...rows]);
    return ref;
  }

  get asStore(): ArtifactStore {
    return this as unknown as ArtifactStore;
  }
}
