import { copyFile, constants, readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { hashFile } from './hashing.js';
import { onLocalDisk, writeAtomically } from './local-files.js';

/** Copies of artefacts on this machine, named by hash and verified on every use. */
export class LocalCache {
  /** @param maxBytes the least recently used copies beyond it are removed after each insertion. */
  constructor(
    private readonly dir: string,
    private readonly maxBytes: number,
  ) {}

  /** Copies the artefact to `path` if a sound copy is here. */
  async copyTo(sha256: string, path: string): Promise<boolean> {
    const cached = this.pathOf(sha256);
    const sound = await hashFile(cached).then(
      (found) => found.sha256 === sha256,
      () => undefined,
    );
    if (!sound) {
      if (sound === false) await rm(cached, { force: true });
      return false;
    }
    const now = new Date();
    await utimes(cached, now, now);
    await writeAtomically(path, (partial) => copyFile(cached, partial, constants.COPYFILE_FICLONE));
    return true;
  }

  /** Keeps a verified file. A full disk is no reason to fail: the cache is then left as it is. */
  async insert(sha256: string, path: string): Promise<void> {
    const cached = this.pathOf(sha256);
    try {
      await writeAtomically(cached, (partial) => copyFile(path, partial, constants.COPYFILE_FICLONE));
      await this.evict(sha256);
    } catch {
      await rm(cached, { force: true }).catch(() => undefined);
    }
  }

  private async evict(newest: string): Promise<void> {
    const names = await onLocalDisk(this.dir, () => readdir(this.dir, { recursive: true }));
    const files = [];
    for (const name of names) {
      const path = join(this.dir, name);
      const info = await stat(path).catch(() => undefined);
      if (info?.isFile()) files.push({ path, bytes: info.size, used: info.mtimeMs });
    }
    let total = files.reduce((sum, file) => sum + file.bytes, 0);
    for (const file of files.sort((a, b) => a.used - b.used)) {
      if (total <= this.maxBytes || file.path === this.pathOf(newest)) continue;
      await rm(file.path, { force: true });
      total -= file.bytes;
    }
  }

  private pathOf(sha256: string): string {
    return join(this.dir, sha256.slice(0, 2), sha256);
  }
}
