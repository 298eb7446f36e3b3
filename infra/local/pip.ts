/** pip as a fetcher of hash-pinned wheels. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const INSTALL_TIMEOUT_MS = 10 * 60_000;
const PIP_FLAGS = [
  '--no-deps',
  '--only-binary=:all:',
  '--require-hashes',
  '--disable-pip-version-check',
  '-q',
];

/**
 * Unpack the wheels of `requirements` (with hashes) into a new directory below `work`. A plain target directory needs no
 * virtual environment; where Python came without pip, `venv` brings its own.
 * @returns the directory
 * @throws what the process threw, with `stderr`
 */
export async function pipInstall(
  requirements: string,
  work: string,
  signal: AbortSignal | undefined,
  python = 'python3',
): Promise<string> {
  const file = join(work, 'requirements.txt');
  const target = join(work, 'target');
  await writeFile(file, requirements);
  const options = {
    timeout: INSTALL_TIMEOUT_MS,
    maxBuffer: 1 << 24,
    // A user's own setting of `--user` cannot be combined with a target.
    env: { ...process.env, PIP_USER: '0' },
    ...(signal ? { signal } : {}),
  };
  const pip = ['-m', 'pip', 'install', ...PIP_FLAGS, '--target', target, '-r', file];
  await run(python, pip, options).catch(async (error: { stderr?: string }) => {
    if (!/No module named pip/.test(error.stderr ?? '')) throw error;
    await run(python, ['-m', 'venv', join(work, 'venv')], options);
    await run(join(work, 'venv', 'bin', 'python'), pip, options);
  });
  return target;
}
