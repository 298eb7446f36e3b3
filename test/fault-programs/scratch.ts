/** Where programs put what real activities put on disk: in memory where the system has such a place. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Work directories and temporary files go to a fresh place from now on; call the result to remove it. */
export function useScratch(): () => void {
  const before = { TMPDIR: process.env.TMPDIR, RMR1_HOME: process.env.RMR1_HOME };
  const dir = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'rmr1-programs-'));
  process.env.TMPDIR = dir;
  process.env.RMR1_HOME = dir;
  return () => {
    for (const [name, value] of Object.entries(before)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    rmSync(dir, { recursive: true, force: true });
  };
}
