/** The Python side of comparisons: a virtual environment of locked packages, made once per cache. */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../infra/environment.js';
import { cacheFromEnvironment } from '../../infra/local/home.js';

/** Which Python runs the other side, if not the environment that is made for it. */
const PYTHON_VARIABLE = 'RMR1_BENCH_PYTHON';

const folder = (): string => join(projectRoot(), 'bench', 'parity');

/**
 * A Python that has torch, transformers and peft: the one that `RMR1_BENCH_PYTHON` names, else an environment with the
 * versions of `requirements.txt`, some gigabytes large.
 */
export function parityPython(say: (message: string) => void): string {
  const named = process.env[PYTHON_VARIABLE];
  if (named) return named;
  const requirements = join(folder(), 'requirements.txt');
  const key = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 16);
  const dir = join(cacheFromEnvironment(), `parity-${key}`);
  if (!existsSync(dir)) {
    say(`Making a Python environment in ${dir} (once; several gigabytes)`);
    const work = `${dir}.work`;
    rmSync(work, { recursive: true, force: true });
    mkdirSync(cacheFromEnvironment(), { recursive: true });
    execFileSync('python3', ['-m', 'venv', work], { stdio: 'inherit' });
    execFileSync(join(work, 'bin', 'python'), ['-m', 'pip', 'install', '-q', '-r', requirements], {
      stdio: 'inherit',
    });
    renameSync(work, dir);
  }
  return join(dir, 'bin', 'python');
}

/** Run a script of `bench/parity` with JSON in and out. */
export function askPython(python: string, script: string, request: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const child = execFile(python, [join(folder(), script)], { maxBuffer: 1 << 28 }, (error, stdout) => {
      if (error) reject(new Error(`${script}: ${error.message.trim().split('\n').at(-1)}`, { cause: error }));
      else resolve(JSON.parse(stdout));
    });
    child.stdin?.end(JSON.stringify(request));
  });
}
