/** Carries out what `retention.ts` decides, on a real bucket. */
import { z } from 'zod';
import type { Bucket } from './bucket.js';
import { readListing } from './directories.js';
import { corrupt, isStoreError } from './errors.js';
import { mapLimit } from './map-limit.js';
import type { Manifests } from './manifests.js';
import type { Objects } from './objects.js';
import type { Records } from './records.js';
import { artifactRefSchema, DIRECTORY_KINDS, type ArtifactRef, type Manifest } from './ref.js';
import { doomedKeys, type Doomed, type Reach, type RetentionPolicy, type StoredKey } from './retention.js';

const AT_ONCE = 8;
/** Two looks at the same write may differ by the store's rounding. */
const SAME_WRITE_MS = 60_000;

const championSchema = z.object({
  history: z.array(
    z.object({
      model: artifactRefSchema,
      recipe: artifactRefSchema,
      scores: artifactRefSchema.optional(),
    }),
  ),
});

export interface CleanUpParts {
  bucket: Bucket;
  objects: Objects;
  records: Records;
  manifests: Manifests;
}

/**
 * What the policy gives up now. Anything that cannot be read for sure stops the whole clean-up: what is in doubt stays.
 * @throws StoreError where a manifest, a champion or a listing cannot be read.
 */
export async function planCleanUp(
  parts: CleanUpParts,
  policy: RetentionPolicy,
  now = new Date(),
): Promise<Doomed[]> {
  const keys: StoredKey[] = [];
  for (const prefix of ['objects/', 'checkpoints/']) {
    for await (const { key, bytes, modifiedAt } of parts.bucket.list(prefix))
      if (modifiedAt) keys.push({ key, bytes, modifiedAt });
  }
  // Read after the listing: a manifest that appears meanwhile protects what it names.
  return doomedKeys(keys, await reachOf(parts), policy, now);
}

/**
 * Delete what a plan names and is still given up: a stage finished since the plan was made keeps what it reaches, and
 * what was stored again since then is about to be reached.
 */
export async function carryOut(parts: CleanUpParts, doomed: readonly Doomed[]): Promise<number> {
  const reach = await reachOf(parts);
  const always = { finishedCheckpoints: 0, abandonedCheckpoints: 0, unreachedObjects: 0 };
  const still = doomedKeys(doomed, reach, always, new Date());
  // Manifests of checkpoints go first, so that an interrupted clean-up leaves nothing that looks complete.
  const ordered = [...still].sort((a, b) => rank(a.key) - rank(b.key));
  const deleted = await mapLimit(ordered, AT_ONCE, async ({ key, modifiedAt }) => {
    const stored = await parts.bucket.head(key);
    if (!stored || (stored.modifiedAt?.getTime() ?? Infinity) - modifiedAt.getTime() > SAME_WRITE_MS)
      return 0;
    await parts.bucket.delete(key);
    return 1;
  });
  return deleted.reduce<number>((sum, one) => sum + one, 0);
}

const rank = (key: string) => (key.endsWith('/manifest.json') ? 0 : 1);

async function reachOf({ bucket, objects, records, manifests }: CleanUpParts): Promise<Reach> {
  const found: Manifest[] = [];
  for await (const { key } of bucket.list('manifests/')) {
    const [, stage, name] = /^manifests\/([^/]+)\/([^/]+)\.json$/.exec(key) ?? [];
    const manifest = stage && name ? await manifests.read(stage, name) : undefined;
    if (manifest) found.push(manifest);
  }
  const champions: ArtifactRef[] = [];
  for await (const { key } of bucket.list('registry/')) {
    const parsed = championSchema.safeParse((await records.getJson(key))?.value);
    if (!parsed.success) throw corrupt(bucket.uri(key), 'it is not the record of a champion');
    for (const { model, recipe, scores } of parsed.data.history)
      champions.push(model, recipe, ...(scores ? [scores] : []));
  }
  const directories = [
    ...found.flatMap(({ outputs, parents }) => [...Object.values(outputs), ...Object.values(parents)]),
    ...champions,
  ].filter(({ kind }) => (DIRECTORY_KINDS as readonly string[]).includes(kind));
  const files = new Map<string, string[]>();
  for (const ref of directories) {
    if (files.has(ref.sha256)) continue;
    const listing = await readListing(objects, ref).catch((error: unknown) => {
      // An object that is gone reaches nothing any more.
      if (isStoreError(error, 'ArtifactMissing')) return undefined;
      throw error;
    });
    files.set(ref.sha256, listing?.files.map(({ sha256 }) => sha256) ?? []);
  }
  return { manifests: found, champions, files };
}
