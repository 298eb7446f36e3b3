import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { InfraError, isInfraError } from './errors.js';
import { readJsonFile, writeJsonFile } from './json-file.js';
import { connectTemporal, ensureNamespace, type NamespaceSettings } from './namespace.js';
import { choosingPorts, freePort } from './ports.js';
import { killGroup, spawnDetached, stopGroup, type SpawnedProcess } from './process.js';
import { waitHealthy } from './wait-healthy.js';

const LOOPBACK = '127.0.0.1';
const DEFAULT_PORTS = { grpc: 7233, ui: 8233 };
const START_TIMEOUT_MS = 60_000;
const START_ATTEMPTS = 3;

interface TemporalPorts {
  grpc: number;
  ui: number;
  http: number;
  metrics: number;
}

export interface TemporalOptions extends NamespaceSettings {
  /** Path of the Temporal CLI. */
  binary: string;
  /** Holds the database, the ports last used and the log; histories survive in it. */
  dir: string;
  signal?: AbortSignal | undefined;
  /** Called as soon as the process exists, before it is healthy: whoever must stop it should note it down. */
  onSpawn?: (process: SpawnedProcess, ports: number[]) => Promise<void> | void;
}

/** A Temporal server with web UI on loopback, started by us. */
export interface TemporalServer {
  /** `host:port` for clients and workers. */
  address: string;
  uiUrl: string;
  logFile: string;
  process(): SpawnedProcess;
  stop(): Promise<void>;
  /** Ends it without warning, as a crash would. */
  kill9(): Promise<void>;
  /** Starts it again on the same files and ports. */
  restart(): Promise<void>;
}

/**
 * Starts the Temporal server with a durable database and returns when namespace and search attributes are
 * usable. Takes the ports used last time or the defaults 7233 and 8233 where they are free, others otherwise.
 */
export async function startTemporal(options: TemporalOptions): Promise<TemporalServer> {
  return choosingPorts(() => startOnFreePorts(options), options.signal);
}

async function startOnFreePorts(options: TemporalOptions): Promise<TemporalServer> {
  await mkdir(options.dir, { recursive: true });
  const portsFile = join(options.dir, 'ports.json');
  const remembered = (await readJsonFile(portsFile)) as Partial<TemporalPorts> | undefined;
  for (let attempt = 1; ; attempt++) {
    const ports: TemporalPorts = {
      grpc: await freePort(remembered?.grpc ?? DEFAULT_PORTS.grpc),
      ui: await freePort(remembered?.ui ?? DEFAULT_PORTS.ui),
      http: await freePort(remembered?.http),
      metrics: await freePort(remembered?.metrics),
    };
    try {
      const first = await launch(options, ports);
      await writeJsonFile(portsFile, ports);
      return handle(options, ports, first);
    } catch (error) {
      // Another process may take a port between our look and the server's own bind.
      const lost = isInfraError(error, 'ServerFailed') && /address already in use/.test(error.message);
      if (!lost || attempt >= START_ATTEMPTS) throw error;
    }
  }
}

function handle(options: TemporalOptions, ports: TemporalPorts, first: SpawnedProcess): TemporalServer {
  let current = first;
  return {
    address: `${LOOPBACK}:${ports.grpc}`,
    uiUrl: `http://${LOOPBACK}:${ports.ui}`,
    logFile: logFileOf(options.dir),
    process: () => current,
    stop: () => stopGroup(current),
    kill9: () => killGroup(current),
    restart: async () => {
      await stopGroup(current);
      current = await launch(options, ports);
    },
  };
}

async function launch(options: TemporalOptions, ports: TemporalPorts): Promise<SpawnedProcess> {
  const logFile = logFileOf(options.dir);
  const process = await spawnDetached({
    name: 'Temporal',
    command: options.binary,
    args: serverArguments(join(options.dir, 'temporal.db'), ports),
    logFile,
  });
  try {
    await options.onSpawn?.(process, Object.values(ports) as number[]);
    await waitHealthy({
      title: 'Temporal',
      process,
      logFile,
      timeoutMs: START_TIMEOUT_MS,
      signal: options.signal,
      probe: () => prepare(options, ports),
    });
    return process;
  } catch (error) {
    await stopGroup(process);
    throw error;
  }
}

async function prepare(options: TemporalOptions, ports: TemporalPorts): Promise<void> {
  const connection = await connectTemporal(`${LOOPBACK}:${ports.grpc}`, 1_000);
  try {
    await ensureNamespace(connection, options, options.signal);
  } finally {
    await connection.close();
  }
}

function serverArguments(database: string, ports: TemporalPorts): string[] {
  return [
    ['server', 'start-dev', '--ip', LOOPBACK, '--port', String(ports.grpc)],
    ['--ui-ip', LOOPBACK, '--ui-port', String(ports.ui), '--ui-disable-news-fetch'],
    ['--http-port', String(ports.http), '--metrics-port', String(ports.metrics)],
    ['--db-filename', database, '--log-level', 'warn'],
    // A committed history must survive the loss of power, not only of the process.
    ['--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=2'],
  ].flat();
}

function logFileOf(dir: string): string {
  return join(dir, 'temporal.log');
}

/** The namespace check of a server that somebody else runs. */
export async function useTemporal(
  address: string,
  settings: NamespaceSettings,
  signal?: AbortSignal,
): Promise<void> {
  if (!/^[^\s/]+:\d+$/.test(address)) {
    throw new InfraError(
      'TemporalUnreachable',
      `"${address}" is not a Temporal address. Use the form 127.0.0.1:7233, without http://.`,
    );
  }
  const connection = await connectTemporal(address);
  try {
    await ensureNamespace(connection, settings, signal);
  } finally {
    await connection.close();
  }
}
