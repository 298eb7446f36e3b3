import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { platform } from 'node:os';

interface Entry {
  state: string;
  group: number;
  /** Clock ticks since boot on Linux, the start date elsewhere. */
  startedAt: string;
}

/** The start mark of a live process; `undefined` if there is none or only its zombie. */
export function identityOf(pid: number): string | undefined {
  const entry = read(pid);
  return entry && entry.state !== 'Z' ? entry.startedAt : undefined;
}

/** Live processes of a group. */
export function groupMembers(group: number): number[] {
  if (platform() !== 'linux') {
    return ps(['-axo', 'pid=,pgid=,stat='])
      .map((line) => line.trim().split(/\s+/))
      .filter(([, pgid, state]) => Number(pgid) === group && !state?.startsWith('Z'))
      .map(([pid]) => Number(pid));
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const entry = read(pid);
      return entry?.group === group && entry.state !== 'Z';
    });
}

function read(pid: number): Entry | undefined {
  if (platform() !== 'linux') {
    const line = ps(['-o', 'stat=,pgid=,lstart=', '-p', String(pid)])[0]?.trim();
    const match = line && /^(\S+)\s+(\d+)\s+(.+)$/.exec(line);
    if (!match) return undefined;
    return { state: match[1]?.[0] ?? '', group: Number(match[2]), startedAt: match[3] ?? '' };
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the command in parentheses and may itself contain spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? '', group: Number(fields[2]), startedAt: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

function ps(args: string[]): string[] {
  try {
    return execFileSync('ps', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .split('\n')
      .filter(Boolean);
  } catch {
    return [];
  }
}
