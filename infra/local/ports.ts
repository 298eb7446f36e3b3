import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { withLock } from './lock.js';

const LOOPBACK = '127.0.0.1';
/** SeaweedFS adds 10,000 to a port for its gRPC side; both halves stay below the ephemeral range of Linux. */
const PAIR_OFFSET = 10_000;
const PAIR_RANGE = { from: 12_000, to: 22_000 };

/** Whether a server could listen on this loopback port now. */
export async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, LOOPBACK, () => server.close(() => resolve(true)));
  });
}

/** `preferred` if it is free, otherwise one the system hands out. */
export async function freePort(preferred?: number): Promise<number> {
  if (preferred !== undefined && (await isFree(preferred))) return preferred;
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, LOOPBACK, () => {
      const address = server.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}

/** A port that is free together with the one 10,000 above it, neither of them half of a pair whose port is in `taken`. */
export async function freePortPair(
  preferred: number | undefined,
  taken: ReadonlySet<number>,
): Promise<number> {
  const candidates = preferred === undefined ? [] : [preferred];
  for (let i = 0; i < 200; i++) candidates.push(randomInt(PAIR_RANGE.from, PAIR_RANGE.to));
  for (const port of candidates) {
    if ([port - PAIR_OFFSET, port, port + PAIR_OFFSET].some((one) => taken.has(one))) continue;
    if ((await isFree(port)) && (await isFree(port + PAIR_OFFSET))) return port;
  }
  throw new Error(`no pair of free loopback ports between ${PAIR_RANGE.from} and ${PAIR_RANGE.to}`);
}

/**
 * Runs a start-up that looks for free ports and binds them, one at a time on this machine: of two servers that
 * chose the same port, the loser's health check would otherwise be answered by the winner.
 */
export async function choosingPorts<T>(start: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  return withLock(join(tmpdir(), `rmr1-ports-${userInfo().uid}.lock`), start, { signal });
}
