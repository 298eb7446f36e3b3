/** What checks Python code: mypy, pytest and stubs, as `requirements-checks.txt` locks them. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { projectRoot } from '../../infra/environment.js';
import { pipInstall } from '../../infra/local/pip.js';
import { cachedByLock, pythonOf } from '../../infra/local/ray-python.js';

/** The training jobs and their tests. */
const folder = join(projectRoot(), 'infra', 'ray');

/** A Python environment with the tools beside it. */
interface CheckedPython {
  /** Run a tool in the folder of the training jobs. Returns whether it found nothing wrong. */
  passes(tool: string, args: readonly string[], variables?: Record<string, string>): boolean;
  /** Where the tools lie. */
  tools: string;
}

/** The tools for a Python environment, installed once. */
export async function checkedPython(environment: string): Promise<CheckedPython> {
  const python = pythonOf(environment);
  const tools = await resolveTools(python);
  return {
    tools,
    passes: (tool, args, variables = {}) =>
      spawnSync(python, ['-m', tool, ...args], {
        cwd: folder,
        stdio: 'inherit',
        env: {
          ...process.env,
          PYTHONPATH: tools,
          PYTHONDONTWRITEBYTECODE: '1',
          OMP_NUM_THREADS: '1',
          ...variables,
        },
      }).status === 0,
  };
}

async function resolveTools(python: string): Promise<string> {
  const lock = join(folder, 'requirements-checks.txt');
  const dir = await cachedByLock('ray-checks', lock);
  if (existsSync(dir)) return dir;
  await mkdir(dirname(dir), { recursive: true });
  const work = await mkdtemp(`${dir}.work-`);
  try {
    await rename(await pipInstall(await readFile(lock, 'utf8'), work, undefined, python), dir);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return dir;
}
