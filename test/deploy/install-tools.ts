/**
 * `npm run check:deploy`: the tools that check infra/deploy, into the cache, each once. helm is built with Go where Go is
 * (some minutes the first time); without Go its checks are skipped.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../../infra/environment.js';
import { pathOf, toolsDirectory } from './tools.js';

const HELM = 'helm.sh/helm/v3/cmd/helm@v3.19.0';

const dir = toolsDirectory();
const run = (command: string, args: string[], env = process.env) =>
  execFileSync(command, args, { stdio: 'inherit', env });

/** What cannot be had is left out: its checks are skipped and say so. */
function attempt(what: string, install: () => void): void {
  try {
    install();
  } catch (error) {
    console.error(`${what} could not be installed: ${(error as Error).message}`);
  }
}

if (!existsSync(join(dir, 'bin', 'kubernetes-validate'))) {
  attempt('The tools from Python packages', () => {
    run('python3', ['-m', 'venv', dir]);
    const requirements = join(projectRoot(), 'infra/deploy/requirements-check.txt');
    run(join(dir, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', '--requirement', requirements]);
  });
}
if (!pathOf('helm')) {
  if (spawnSync('go', ['version']).status === 0) {
    attempt('helm', () => {
      const work = mkdtempSync(join(tmpdir(), 'rmr1-helm-'));
      try {
        run('go', ['install', HELM], {
          ...process.env,
          GOBIN: join(dir, 'bin'),
          GOCACHE: join(work, 'cache'),
          GOFLAGS: '-modcacherw',
          GOMODCACHE: join(work, 'modules'),
        });
      } finally {
        rmSync(work, { recursive: true, force: true });
      }
    });
  } else console.error('No Go and no helm on PATH: the chart is not checked.');
}
