/** The Python code of a training job as Ray's working directory: a zip named by the hash of its content. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { projectRoot } from '../../infra/environment.js';

export interface CodePackage {
  /** `_ray_pkg_<hash>.zip`, the form of name that Ray takes. */
  name: string;
  zip: Uint8Array;
}

/** The same files give the same bytes everywhere: the order is fixed, and so is every time. */
const MODIFIED = new Date(1980, 0, 1);

/** Pack the training code, `infra/ray/rmr1_ray`. */
export async function packTrainingCode(
  dir = join(projectRoot(), 'infra', 'ray', 'rmr1_ray'),
): Promise<CodePackage> {
  const names = (await readdir(dir)).filter((name) => /\.(py|json)$/.test(name)).sort();
  const hash = createHash('sha256');
  const files: Record<string, Uint8Array> = {};
  for (const name of names) {
    const content = await readFile(join(dir, name));
    files[`rmr1_ray/${name}`] = content;
    hash.update(`${name}\0${content.length}\0`).update(content);
  }
  return {
    name: `_ray_pkg_${hash.digest('hex').slice(0, 32)}.zip`,
    zip: zipSync(files, { mtime: MODIFIED, level: 6 }),
  };
}
