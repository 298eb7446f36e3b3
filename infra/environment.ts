/** What the environment decides: where Temporal and the state of the local stack are. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporalConfig } from '../temporal.config.js';
import { connectionProfile, credentialsFor, type TemporalCredentials } from './connection-profile.js';

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

export interface TemporalTarget {
  address: string;
  namespace: string;
  uiUrl?: string;
  credentials: TemporalCredentials;
}

/**
 * Where to reach Temporal: environment and profile first, then the local stack, then the default address.
 * @throws UserError `InvalidInput` where the profile or a certificate cannot be read.
 */
export function temporalTarget(): TemporalTarget {
  const stack = readStackFile()?.temporal;
  const profile = connectionProfile();
  const external = profile.address;
  const address = external ?? stack?.address ?? temporalConfig.address;
  return {
    address,
    namespace: profile.namespace ?? (external ? undefined : stack?.namespace) ?? temporalConfig.namespace,
    credentials: credentialsFor(address),
    ...(external
      ? process.env.TEMPORAL_UI_URL
        ? { uiUrl: process.env.TEMPORAL_UI_URL }
        : {}
      : { uiUrl: stack?.uiUrl }),
  };
}
