import { readdir, stat } from 'node:fs/promises';
import { isAbsolute, join, normalize, sep } from 'node:path';
import { z } from 'zod';
import { canonicalJson } from './canonical-json.js';
import { StoreError, corrupt } from './errors.js';
import { hashFile } from './hashing.js';
import { mapLimit } from './map-limit.js';
import { objectKey, type Objects } from './objects.js';
import type { ArtifactRef, DirectoryKind } from './ref.js';

const FILES_IN_FLIGHT = 4;

/** A directory artefact: the list of its files, each an object of its own. Stored as canonical JSON. */
export const directoryListingSchema = z.strictObject({
  format: z.literal('rmr1-directory/1'),
  files: z.array(
    z.strictObject({
      path: z.string().min(1),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      bytes: z.int().nonnegative(),
    }),
  ),
});
export type DirectoryListing = z.infer<typeof directoryListingSchema>;

/**
 * Relative paths (with `/`) of all regular files below `dir`, sorted. Empty directories do not count.
 *
 * @throws StoreError `StorageSettings` for links, sockets and the like, which an artefact cannot hold.
 */
export async function listFiles(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files: string[] = [];
  for (const entry of entries) {
    if (entry.isDirectory()) continue;
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile()) {
      throw new StoreError(
        'StorageSettings',
        `${path} is not a regular file. Replace the link by the file it points to, or move it out of ${dir}.`,
      );
    }
    files.push(path.slice(dir.replace(/[/\\]+$/, '').length + 1).replaceAll(sep, '/'));
  }
  return files.sort();
}

/** Stores every file below `dir`, then the listing whose hash names the whole. */
export async function putDirectory(objects: Objects, kind: DirectoryKind, dir: string): Promise<ArtifactRef> {
  const paths = await listFiles(dir);
  if (paths.length === 0) {
    throw new StoreError('StorageSettings', `${dir} holds no files. Name the directory that was written.`);
  }
  const files = await mapLimit(paths, FILES_IN_FLIGHT, async (path) => {
    const { sha256, bytes } = await objects.putFile(kind, join(dir, path));
    return { path, sha256, bytes };
  });
  const listing: DirectoryListing = { format: 'rmr1-directory/1', files };
  return objects.putBytes(kind, Buffer.from(canonicalJson(listing)));
}

/** The files of a directory artefact, without fetching them. */
export async function readListing(objects: Objects, ref: ArtifactRef): Promise<DirectoryListing> {
  const parsed = directoryListingSchema.safeParse(parseJson((await objects.getBytes(ref)).toString('utf8')));
  if (!parsed.success) throw corrupt(ref.uri, 'it is not the listing of a directory artefact');
  for (const { path } of parsed.data.files) assertInside(path, ref.uri);
  return parsed.data;
}

/**
 * Makes `dir` hold every file of the artefact, verified. Files already there with the right content stay;
 * other files in `dir` are left alone.
 */
export async function fetchDirectory(objects: Objects, ref: ArtifactRef, dir: string): Promise<void> {
  const { files } = await readListing(objects, ref);
  const root = ref.uri.slice(0, ref.uri.length - objectKey(ref.sha256).length);
  await mapLimit(files, FILES_IN_FLIGHT, async ({ path, sha256, bytes }) => {
    const target = join(dir, path);
    const present = await stat(target).catch(() => undefined);
    if (present?.size === bytes && (await hashFile(target)).sha256 === sha256) return;
    await objects.getFile({ uri: root + objectKey(sha256), sha256, bytes, kind: ref.kind }, target);
  });
}

/** Refuses paths that would leave the directory they are fetched into. */
export function assertInside(path: string, uri: string): void {
  const clean = normalize(path);
  if (isAbsolute(path) || clean === '..' || clean.startsWith(`..${sep}`) || path.includes('\\')) {
    throw corrupt(uri, `its entry "${path}" points outside the directory`);
  }
}

/** Parsed JSON, or `undefined` where the text is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
