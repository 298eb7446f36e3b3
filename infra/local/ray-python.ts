/** Python environments of Ray and the training jobs: built once from their lock files, kept in the user's cache. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '../environment.js';
import { InfraError } from './errors.js';
import { cacheFromEnvironment } from './home.js';
import { isExecutable } from './install.js';
import { withLock } from './lock.js';

const run = promisify(execFile);
/** The lock files are resolved for it. */
const PYTHON = '3.11';
const INSTALL_TIMEOUT_MS = 20 * 60_000;

interface Environment {
  /** Of its directory in the cache. */
  name: string;
  /** In `infra/ray`. */
  lock: string;
  /** Names an environment to use instead. */
  variable: string;
  /** Packages that exist as sources only. */
  sources?: string;
  title: string;
}

/** Ray's head, and the trainers of TRL. */
const TRL: Environment = { name: 'ray', lock: 'requirements.txt', variable: 'RMR1_RAY_ENV', title: 'Ray' };
/** verl with Ray: its packages go with other versions than TRL's. */
export const VERL: Environment = {
  name: 'verl',
  lock: 'verl-requirements.txt',
  variable: 'RMR1_VERL_ENV',
  sources: 'antlr4-python3-runtime',
  title: 'verl',
};

export interface RayPythonOptions {
  /** Default: the one of Ray's head and of TRL. */
  environment?: Environment;
  env?: NodeJS.ProcessEnv;
  signal?: AbortSignal | undefined;
  onProgress?: ((message: string) => void) | undefined;
}

/**
 * The directory of a virtual environment with everything that its lock file pins: the one that `RMR1_RAY_ENV` (or
 * `RMR1_VERL_ENV`) names, else the cache's, which is made where it is missing (about 6 GB, minutes).
 * @throws InfraError `BinaryMissing` without Python 3.11; `InstallFailed` with pip's reason.
 */
export async function resolveRayEnvironment(options: RayPythonOptions = {}): Promise<string> {
  const { environment = TRL, env = process.env, signal, onProgress } = options;
  const { lock, variable, title, sources } = environment;
  const named = env[variable];
  if (named) {
    if (await isExecutable(pythonOf(named))) return named;
    throw new InfraError(
      'BinaryMissing',
      `${variable} names ${named}, which has no bin/python. Correct it, or unset it to let the project build one.`,
    );
  }
  const dir = await cachedDirectory(environment, env);
  await mkdir(dirname(dir), { recursive: true });
  return withLock(
    `${dir}.lock`,
    async () => {
      if (await isExecutable(pythonOf(dir))) return dir;
      const python = await findPython(environment, env);
      onProgress?.(`Building the Python environment for ${title} (once, 6 GB, into ${dir})`);
      const work = `${dir}.work`;
      await rm(work, { recursive: true, force: true });
      const limits = {
        timeout: INSTALL_TIMEOUT_MS,
        maxBuffer: 1 << 24,
        env: { ...env, PIP_USER: '0' },
        ...(signal ? { signal } : {}),
      };
      try {
        await run(python, ['-m', 'venv', work], limits);
        const pip = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--no-compile'];
        const wheels = ['--only-binary=:all:', ...(sources ? [`--no-binary=${sources}`] : [])];
        const locked = ['--no-deps', ...wheels, '--require-hashes', '-r', lockFile(lock)];
        await run(pythonOf(work), [...pip, ...locked], limits);
        await rename(work, dir);
      } catch (error) {
        await rm(work, { recursive: true, force: true });
        const said = ((error as { stderr?: string }).stderr ?? (error as Error).message).trim();
        throw new InfraError(
          'InstallFailed',
          `The Python environment for ${title} could not be built: ${said.split('\n').at(-1) ?? ''}`,
          { cause: error },
        );
      }
      return dir;
    },
    {
      signal,
      onWait: () => onProgress?.('Waiting for another process that builds the environment for ' + title),
    },
  );
}

/** The environment where there is one already, named or in the cache. */
export async function builtRayEnvironment(env: NodeJS.ProcessEnv = process.env): Promise<string | undefined> {
  const dir = env[TRL.variable] || (await cachedDirectory(TRL, env));
  return (await isExecutable(pythonOf(dir))) ? dir : undefined;
}

function cachedDirectory({ name, lock }: Environment, env: NodeJS.ProcessEnv): Promise<string> {
  return cachedByLock(name, lockFile(lock), env);
}

function lockFile(name: string): string {
  return join(projectRoot(), 'infra', 'ray', name);
}

/** Where the cache keeps what a lock file pins: another lock, another directory. */
export async function cachedByLock(name: string, lock: string, env = process.env): Promise<string> {
  const key = createHash('sha256').update(await readFile(lock));
  return join(cacheFromEnvironment(env), `${name}-${key.digest('hex').slice(0, 16)}`);
}

export function pythonOf(environment: string): string {
  return join(environment, 'bin', 'python');
}

async function findPython({ lock, variable, title }: Environment, env: NodeJS.ProcessEnv): Promise<string> {
  for (const candidate of [`python${PYTHON}`, 'python3', 'python']) {
    const said = await run(candidate, ['-V'], { env, timeout: 20_000 }).catch(() => undefined);
    if (said?.stdout.startsWith(`Python ${PYTHON}.`)) return candidate;
  }
  throw new InfraError(
    'BinaryMissing',
    `${title} needs Python ${PYTHON}, which is not on PATH. Install it, or name an environment with infra/ray/${lock} in ${variable}.`,
  );
}
