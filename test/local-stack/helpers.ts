import { mkdtemp, rm } from 'node:fs/promises';
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
    // Somebody else holding the port serves the test as well.
    server.once('error', () => resolve());
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}
