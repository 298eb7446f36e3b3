/** Where packages that we are measured against are installed: a folder of its own in the cache, once per lock file. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../infra/environment.js';
import { cacheFromEnvironment } from '../../infra/local/home.js';

/** Install the locked packages unless they are there. @returns the folder @throws what npm said */
export function nodePeers(say: (message: string) => void): string {
  const source = join(projectRoot(), 'bench', 'peer', 'node');
  const lock = readFileSync(join(source, 'package-lock.json'));
  const key = createHash('sha256').update(lock).digest('hex').slice(0, 16);
  const dir = join(cacheFromEnvironment(), `bench-peers-${key}`);
  if (existsSync(dir)) return dir;
  say(`Installing transformers.js and node-llama-cpp in ${dir} (once)`);
  const work = `${dir}.work`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  cpSync(source, work, { recursive: true });
  // Not `ci`, which wants every other platform's packages in the lock file too.
  execFileSync('npm', ['install', '--omit=optional', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: work,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  renameSync(work, dir);
  return dir;
}
