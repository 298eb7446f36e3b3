import { spawn } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { InfraError } from './errors.js';
import { groupMembers, identityOf } from './process-table.js';

const POLL_MS = 25;
const KILL_WAIT_MS = 5_000;

/** A process, told apart from a later one with the same number by when it started. */
export interface ProcessRef {
  pid: number;
  /** The operating system's own mark of the start; opaque. */
  startedAt: string;
}

export interface SpawnOptions {
  /** For messages. */
  name: string;
  command: string;
  args: readonly string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Standard output and error are appended to it. */
  logFile: string;
}

/** How a process ended: one of the two is set. */
export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/** A process of ours in a group of its own. */
export interface SpawnedProcess extends ProcessRef {
  /** Settles when the process is gone; only the process that spawned it can know its exit code. */
  exited: Promise<ProcessExit>;
}

/**
 * Starts a program in a session and process group of its own, so that it outlives a Ctrl-C in the terminal and
 * can be stopped with all its children.
 *
 * @throws InfraError `ServerFailed` if it cannot be executed.
 */
export async function spawnDetached(options: SpawnOptions): Promise<SpawnedProcess> {
  await mkdir(dirname(options.logFile), { recursive: true });
  const log = await open(options.logFile, 'a', 0o600);
  try {
    const child = spawn(options.command, options.args, {
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      env: options.env ?? process.env,
      ...(options.cwd ? { cwd: options.cwd } : {}),
    });
    const exited = new Promise<ProcessExit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid as number;
    return { pid, startedAt: identityOf(pid) ?? 'ended', exited };
  } catch (error) {
    throw new InfraError(
      'ServerFailed',
      `Cannot start ${options.name} (${options.command}): ${(error as Error).message}. Check that the file exists and is executable on this machine.`,
      { cause: error },
    );
  } finally {
    await log.close();
  }
}

/** Whether the process still runs; a zombie does not. */
export function isRunning(ref: ProcessRef): boolean {
  return identityOf(ref.pid) === ref.startedAt;
}

/**
 * Ends a process and its group: TERM, wait, then KILL for what is left. Returns when nothing is left; a
 * process that already ended is not an error, and one that merely inherited the number is not touched.
 */
export async function stopGroup(ref: ProcessRef, graceMs = 15_000): Promise<void> {
  if (!signalGroup(ref, 'SIGTERM')) return;
  if (await goneWithin(ref, graceMs)) return;
  await killGroup(ref);
}

/** Ends a process and its group at once with KILL, and waits until they are gone. */
export async function killGroup(ref: ProcessRef): Promise<void> {
  signalGroup(ref, 'SIGKILL');
  if (await goneWithin(ref, KILL_WAIT_MS)) return;
  throw new InfraError(
    'ServerFailed',
    `Process ${ref.pid} does not end even on KILL. Look at it with "ps -p ${ref.pid}".`,
  );
}

/** Sends a signal to the whole group. Returns false if there is nobody left to get it. */
export function signalGroup(ref: ProcessRef, signal: NodeJS.Signals): boolean {
  if (!groupIsOurs(ref)) return false;
  try {
    process.kill(-ref.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

async function goneWithin(ref: ProcessRef, waitMs: number): Promise<boolean> {
  const deadline = Date.now() + waitMs;
  while (groupIsOurs(ref)) {
    if (Date.now() > deadline) return false;
    await delay(POLL_MS);
  }
  return true;
}

/**
 * A number cannot be given to a new process while a group of that number lives, so members whose leader has
 * ended are still ours; members of a leader that started at another time are not.
 */
function groupIsOurs(ref: ProcessRef): boolean {
  const leader = identityOf(ref.pid);
  if (leader !== undefined && leader !== ref.startedAt) return false;
  return leader !== undefined || groupMembers(ref.pid).length > 0;
}
