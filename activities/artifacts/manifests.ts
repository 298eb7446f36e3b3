import { z } from 'zod';
import { StoreError, corrupt, isStoreError } from './errors.js';
import type { Objects } from './objects.js';
import { artifactRefSchema, type ArtifactRef, type Manifest } from './ref.js';
import type { Records } from './records.js';
import type { Bucket } from './bucket.js';

const manifestSchema: z.ZodType<Manifest> = z.object({
  key: z.string(),
  stage: z.string(),
  outputs: z.record(z.string(), artifactRefSchema),
  parents: z.record(z.string(), artifactRefSchema),
  settings: z.unknown(),
  seed: z.number(),
  metrics: z.record(z.string(), z.number()),
  cost: z.object({
    usd: z.number(),
    inputTokens: z.number(),
    outputTokens: z.number(),
    seconds: z.number(),
  }),
  codeCommit: z.string(),
  startedBy: z.string(),
  workflowId: z.string(),
  attempt: z.number(),
  createdAt: z.string(),
});

/** What publishing did: whose manifest stands, and whether it is the one that was offered. */
export interface Published {
  status: 'created' | 'exists';
  /** The manifest that stands. After `exists` it may name other outputs than the one offered. */
  manifest: Manifest;
}

/** Manifests of finished stages: `manifests/<stage>/<key>.json`, written once and last. */
export class Manifests {
  constructor(
    private readonly bucket: Bucket,
    private readonly objects: Objects,
    private readonly records: Records,
  ) {}

  /** The manifest of a finished stage, or `undefined` if no run finished it. */
  async read(stage: string, key: string): Promise<Manifest | undefined> {
    const record = await this.records.getJson(manifestKey(stage, key));
    if (!record) return undefined;
    const parsed = manifestSchema.safeParse(record.value);
    if (!parsed.success) {
      throw corrupt(this.bucket.uri(manifestKey(stage, key)), 'it is not a manifest this version can read');
    }
    return parsed.data;
  }

  /**
   * Declares a stage finished. The first manifest of a key wins; a later one is not an error.
   *
   * @throws StoreError `ArtifactMissing` if an output it names is not in the store in full length.
   */
  async publish(manifest: Manifest): Promise<Published> {
    for (const [role, ref] of Object.entries(manifest.outputs)) {
      if (await this.objects.has(ref)) continue;
      throw new StoreError(
        'ArtifactMissing',
        `Output "${role}" of stage ${manifest.stage} (${ref.uri}) is not stored, so the stage cannot be declared finished. Run the stage again.`,
      );
    }
    // The index goes first: one that points to no manifest is skipped, a manifest without index would be an orphan.
    for (const ref of Object.values(manifest.outputs)) {
      await this.records.putJson(producerKey(ref.sha256, manifest.stage, manifest.key), {
        stage: manifest.stage,
        key: manifest.key,
      });
    }
    try {
      await this.records.putJson(manifestKey(manifest.stage, manifest.key), manifest, { ifNoneMatch: true });
      return { status: 'created', manifest };
    } catch (error) {
      if (!isStoreError(error, 'PreconditionFailed')) throw error;
      const standing = await this.read(manifest.stage, manifest.key);
      if (!standing) throw error;
      return { status: 'exists', manifest: standing };
    }
  }

  /** The earliest manifest that has `ref` among its outputs; `undefined` for what came from outside. */
  async producerOf(ref: ArtifactRef): Promise<Manifest | undefined> {
    const manifests: Manifest[] = [];
    for (const key of await this.records.listKeys(`producers/${ref.sha256}/`)) {
      const pointer = z
        .object({ stage: z.string(), key: z.string() })
        .safeParse((await this.records.getJson(key))?.value);
      const manifest = pointer.success ? await this.read(pointer.data.stage, pointer.data.key) : undefined;
      const names = Object.values(manifest?.outputs ?? {}).map(({ sha256 }) => sha256);
      if (manifest && names.includes(ref.sha256)) manifests.push(manifest);
    }
    return manifests.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1))[0];
  }
}

function manifestKey(stage: string, key: string): string {
  return `manifests/${stage}/${key}.json`;
}

function producerKey(sha256: string, stage: string, key: string): string {
  return `producers/${sha256}/${stage}-${key}.json`;
}
