/** Which command looks after the stack of a home, so that two of them do not stop each other's servers. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isRunning } from '../../infra/local/process.js';
import { identityOf } from '../../infra/local/process-table.js';

export interface Owner {
  command: 'quickstart' | 'up' | 'up --detach';
  pid: number;
  /** The operating system's mark of the process's start. */
  startedAt: string;
}

const fileOf = (home: string): string => join(home, 'run', 'owner.json');

/** The owner noted in this home, dead or alive. */
export function readOwner(home: string): Owner | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(home), 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}

/** A detached stack has no process that looks after it; it belongs to the person who will call `down`. */
export function isLive(owner: Owner): boolean {
  return owner.command === 'up --detach' || isRunning(owner);
}

export function takeOwnership(home: string, command: Owner['command']): void {
  const owner: Owner = { command, pid: process.pid, startedAt: identityOf(process.pid) ?? '' };
  mkdirSync(dirname(fileOf(home)), { recursive: true });
  writeFileSync(fileOf(home), `${JSON.stringify(owner)}\n`);
}

export function giveUpOwnership(home: string): void {
  rmSync(fileOf(home), { force: true });
}
