/**
 * `npm run test:trl`: TRL's GRPOTrainer, two steps on a tiny model, with `rmr1 serve` as its reward. torch and TRL are
 * large: RMR1_TRL_PYTHON names a Python that has them, else a virtual environment is made in the cache directory.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { projectRoot } from '../../infra/environment.js';

const folder = join(projectRoot(), 'infra/python');

function pythonWithTrl(): string {
  const given = process.env['RMR1_TRL_PYTHON'];
  if (given) return given;
  const dir = join(process.env['RMR1_CACHE'] ?? join(homedir(), '.cache/rmr1'), 'trl');
  const python = join(dir, 'bin/python');
  const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: 'inherit' });
  if (!existsSync(python)) run('python3', '-m', 'venv', dir);
  run(python, '-m', 'pip', 'install', '--quiet', '--requirement', join(folder, 'requirements-trl.txt'));
  return python;
}

const python = pythonWithTrl();
const cli = join(projectRoot(), 'dist/client/cli.js');
const server = spawn(process.execPath, [cli, 'serve', '--judge', 'length', '--port', '0', '--json'], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [line] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
try {
  execFileSync(python, ['trl_smoke.py'], {
    cwd: folder,
    stdio: 'inherit',
    env: {
      ...process.env,
      RMR1_JUDGE_URL: (JSON.parse(line) as { url: string }).url,
      PYTHONDONTWRITEBYTECODE: '1',
    },
  });
} finally {
  server.kill('SIGTERM');
}
