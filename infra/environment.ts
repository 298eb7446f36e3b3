/** What the environment decides: where the project and the state of the local stack are. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Root of the installed package: where `recipes/` and `package.json` lie, from source and from `dist/` alike. */
export function projectRoot(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const parent = resolve(here, '..');
  return parent.endsWith('/dist') ? dirname(parent) : parent;
}

/** State of the local stack (binaries, database, objects, logs): `RMR1_HOME`, else `.rmr1` in the working directory. */
export function homeDirectory(): string {
  return resolve(process.env.RMR1_HOME ?? join(process.cwd(), '.rmr1'));
}

/** What `rmr1 up` wrote about the stack it started; the fields beyond these belong to `infra/local`. */
export interface StackAddresses {
  temporal: { address: string; uiUrl?: string; namespace: string };
  s3: { endpoint: string; region: string; bucket: string; accessKeyId: string; secretAccessKey: string };
  oracle?: { baseUrl: string };
}

/** Addresses of the local stack, or undefined where none was started in this home. */
export function readStackFile(home = homeDirectory()): StackAddresses | undefined {
  try {
    return JSON.parse(readFileSync(join(home, 'stack.json'), 'utf8')) as StackAddresses;
  } catch {
    return undefined;
  }
}
