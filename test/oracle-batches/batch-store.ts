/** Segments, lines and records of the store in memory, with compare-and-swap as S3 does it. */
import { StoreError } from '../../activities/artifacts/errors.js';
import { MemoryStore } from '../oracle/memory-store.js';

export class BatchStore extends MemoryStore {
  readonly records = new Map<string, { value: unknown; etag: string }>();
  private versions = 0;

  async getJson(key: string): Promise<{ value: unknown; etag: string } | undefined> {
    return structuredClone(this.records.get(key));
  }

  async putJson(
    key: string,
    value: unknown,
    condition?: { ifMatch?: string; ifNoneMatch?: true },
  ): Promise<{ etag: string }> {
    await this.onPut(key);
    const present = this.records.get(key);
    const holds =
      condition?.ifMatch === undefined
        ? condition?.ifNoneMatch !== true || !present
        : present?.etag === condition.ifMatch;
    if (!holds) throw new StoreError('PreconditionFailed', `${key} was changed by another writer.`);
    const etag = `v${++this.versions}`;
    this.records.set(key, { value: structuredClone(value), etag });
    return { etag };
  }

  async deleteJson(key: string): Promise<void> {
    this.records.delete(key);
  }

  override async listKeys(prefix: string): Promise<string[]> {
    const records = [...this.records.keys()].filter((key) => key.startsWith(prefix));
    return [...(await super.listKeys(prefix)), ...records].sort();
  }
}
