import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { throwIfAborted } from './errors.js';
import { isRunning, type ProcessRef } from './process.js';
import { identityOf } from './process-table.js';

const POLL_MS = 50;

interface Holder extends ProcessRef {
  /** The holder's own name of the lock's content, left behind if it dies. */
  file?: string;
}

/**
 * Runs `work` while holding the lock file `path`; other processes and other callers wait. The lock of a process
 * that died is taken over.
 */
export async function withLock<T>(
  path: string,
  work: () => Promise<T>,
  options: { signal?: AbortSignal | undefined; onWait?: (holder: ProcessRef) => void } = {},
): Promise<T> {
  await mkdir(dirname(path), { recursive: true });
  const own = `${path}.${randomBytes(6).toString('hex')}`;
  const holder: Holder = { pid: process.pid, startedAt: identityOf(process.pid) ?? '', file: own };
  await writeFile(own, JSON.stringify(holder), { mode: 0o600 });
  try {
    await acquire(path, own, options);
    try {
      return await work();
    } finally {
      await rm(path, { force: true });
    }
  } finally {
    await rm(own, { force: true });
  }
}

async function acquire(
  path: string,
  own: string,
  { signal, onWait }: { signal?: AbortSignal | undefined; onWait?: (holder: ProcessRef) => void },
): Promise<void> {
  let told = false;
  for (;;) {
    throwIfAborted(signal);
    try {
      // Unlike writing a file, linking one makes name and content appear at once.
      await link(own, path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = await readHolder(path);
    if (holder && !isRunning(holder)) {
      await breakStale(path, holder);
      continue;
    }
    if (holder && !told) {
      told = true;
      onWait?.(holder);
    }
    await delay(POLL_MS);
  }
}

/** Moves a dead holder's lock aside, and puts it back if a live one had replaced it meanwhile. */
async function breakStale(path: string, dead: ProcessRef): Promise<void> {
  const aside = `${path}.stale-${randomBytes(6).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  const moved = await readHolder(aside);
  if (moved && (moved.pid !== dead.pid || moved.startedAt !== dead.startedAt)) {
    await link(aside, path).catch(() => undefined);
  } else if (moved?.file?.startsWith(`${path}.`)) {
    await rm(moved.file, { force: true });
  }
  await rm(aside, { force: true });
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}
