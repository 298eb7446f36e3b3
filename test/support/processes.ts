/** Processes as tests see them: who is whose child, and what of a home still runs. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { platform } from 'node:os';
import { identityOf } from '../../infra/local/process-table.js';
import type { ProcessRef } from '../../infra/local/process.js';

export interface SeenProcess extends ProcessRef {
  parent: number;
  command: string;
}

/** Every live process of the machine. */
export function allProcesses(): SeenProcess[] {
  if (platform() !== 'linux') return fromPs();
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const pid = Number(name);
      const startedAt = identityOf(pid);
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return startedAt === undefined ? [] : [{ pid, startedAt, parent, command }];
      } catch {
        return [];
      }
    });
}

function fromPs(): SeenProcess[] {
  return execFileSync('ps', ['-axo', 'pid=,ppid=,command='], { encoding: 'utf8' })
    .split('\n')
    .flatMap((line) => {
      const match = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line);
      const startedAt = match ? identityOf(Number(match[1])) : undefined;
      if (!match || startedAt === undefined) return [];
      return [{ pid: Number(match[1]), startedAt, parent: Number(match[2]), command: match[3] ?? '' }];
    });
}

/** Live processes that work on `home`: they have it on their command line or, workers, in their environment. */
export function processesOf(home: string): SeenProcess[] {
  return allProcesses().filter(
    ({ pid, command }) =>
      pid !== process.pid && (command.includes(home) || environmentOf(pid).includes(home)),
  );
}

/** Empty where the system does not show it. */
function environmentOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return '';
  }
}
