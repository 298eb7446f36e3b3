import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NamespaceSettings } from '../../infra/local/namespace.js';

/** Namespace settings small enough for a test server. */
export const TEST_NAMESPACE: NamespaceSettings = {
  namespace: 'rmr1-test',
  retentionDays: 30,
  searchAttributes: { Stage: 'KEYWORD', Accuracy: 'DOUBLE', Step: 'INT' },
};

/** A directory that `use` may fill and that is gone afterwards. */
export async function temporaryDirectory(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'rmr1-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** Occupies a port, so that whoever wants it has to take another. */
export async function occupy(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    // Somebody else may hold it, and may let go of it: then the server does not listen.
    server.once('error', () => resolve());
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}

const BUILD_WHEEL = `
import sys, zipfile
path, name, version, script, text = sys.argv[1:]
info = f'{name}-{version}.dist-info'
with zipfile.ZipFile(path, 'w') as wheel:
    wheel.writestr(f'{name}-{version}.data/scripts/{script}', text)
    wheel.writestr(f'{info}/METADATA', f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n')
    wheel.writestr(f'{info}/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(f'{info}/RECORD', '')
`;

/** A wheel whose one content is an executable script, as `pip` would fetch it from an index. */
export async function buildWheel(
  dir: string,
  name: string,
  version: string,
  script: string,
  text: string,
): Promise<{ path: string; sha256: string }> {
  const path = join(dir, `${name}-${version}-py3-none-any.whl`);
  execFileSync('python3', ['-c', BUILD_WHEEL, path, name, version, script, text]);
  return {
    path,
    sha256: createHash('sha256')
      .update(await readFile(path))
      .digest('hex'),
  };
}

const IDLE_SERVICE = `
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
if (process.argv.includes('--fail')) process.exit(3);
spawn('sleep', ['600'], { stdio: 'ignore' });
writeFileSync(process.env.RMR1_READY_FILE, JSON.stringify({ baseUrl: 'http://idle' }));
setInterval(() => undefined, 60_000);
`;

/** A service with a child of its own, which says that it is ready and then waits to be ended; `--fail` exits with 3. */
export async function idleService(dir: string): Promise<string> {
  const path = join(dir, 'idle-service.mjs');
  await writeFile(path, IDLE_SERVICE);
  return path;
}
