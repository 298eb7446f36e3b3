/**
 * `npm run check:ray`: the training jobs' types by mypy and their tests by pytest, in the Python environment that
 * `npm run test:ray` and `rmr1 up --ray` build. Where it was not built, nothing is checked, and that is said.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { projectRoot } from '../../infra/environment.js';
import { pipInstall } from '../../infra/local/pip.js';
import { builtRayEnvironment, cachedByLock, pythonOf } from '../../infra/local/ray-python.js';

const folder = join(projectRoot(), 'infra', 'ray');

/** mypy, pytest and stubs, as `requirements-checks.txt` locks them; installed once, beside the environment. */
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

const environment = await builtRayEnvironment();
if (!environment) {
  console.log('SKIPPED: there is no Python environment for Ray. `npm run test:ray` builds it (6 GB).');
} else {
  const python = pythonOf(environment);
  const tools = await resolveTools(python);
  const failed = [
    ['mypy', '--cache-dir', `${tools}-mypy-cache`],
    ['pytest', '-q', '-p', 'no:cacheprovider', 'tests'],
  ].filter(([tool, ...args]) => {
    const { status } = spawnSync(python, ['-m', tool!, ...args], {
      cwd: folder,
      stdio: 'inherit',
      env: { ...process.env, PYTHONPATH: tools, PYTHONDONTWRITEBYTECODE: '1', OMP_NUM_THREADS: '1' },
    });
    return status !== 0;
  });
  if (failed.length > 0) console.error(`Failed: ${failed.map(([tool]) => tool).join(', ')}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}
