import { execFileSync } from 'node:child_process';
import { projectRoot } from '../infra/environment.js';

let commit: string | undefined;

/** Commit of the running code: `RMR1_CODE_COMMIT` (set it in images), else asked of git, else `unknown`. */
export function codeCommit(): string {
  commit ??= process.env.RMR1_CODE_COMMIT ?? fromGit();
  return commit;
}

function fromGit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync('git', ['-C', projectRoot(), ...args], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    return git('rev-parse', 'HEAD').trim() + (git('status', '--porcelain').trim() === '' ? '' : '+changes');
  } catch {
    return 'unknown';
  }
}
