import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where a project's servers keep their state and logs: `RMR1_HOME`, or `.rmr1` in the working directory. */
export function homeFromEnvironment(env: Environment = process.env): string {
  return resolve(env['RMR1_HOME'] || '.rmr1');
}

/** Downloads shared by all clones of a user: `RMR1_CACHE`, or `~/.cache/rmr1`. */
export function cacheFromEnvironment(env: Environment = process.env): string {
  return resolve(env['RMR1_CACHE'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'rmr1'));
}
