import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { S3Settings } from '../../activities/artifacts/settings.js';
import { isInfraError } from './errors.js';
import { readJsonFile, writeJsonFile } from './json-file.js';
import { choosingPorts, freePortPair } from './ports.js';
import { killGroup, spawnDetached, stopGroup, type SpawnedProcess } from './process.js';
import { ensureBucket, probeReadWrite } from './s3-probe.js';
import { waitHealthy } from './wait-healthy.js';

const LOOPBACK = '127.0.0.1';
const DEFAULT_S3_PORT = 8333;
const START_TIMEOUT_MS = 90_000;
const START_ATTEMPTS = 3;
const STOP_GRACE_MS = 20_000;
const DEFAULT_MEMORY_LIMIT = '512MiB';
const GRPC_OFFSET = 10_000;

interface SeaweedPorts {
  s3: number;
  filer: number;
  master: number;
  volume: number;
  admin: number;
}

interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
}

export interface SeaweedOptions {
  /** Path of `weed`. */
  binary: string;
  /** Holds objects, keys, the ports last used and the log. */
  dir: string;
  bucket: string;
  /** Soft limit of the server's heap in Go's notation. Default 512MiB. */
  memoryLimit?: string;
  signal?: AbortSignal | undefined;
  /** Called as soon as the process exists, before it is healthy: whoever must stop it should note it down. */
  onSpawn?: (process: SpawnedProcess, ports: number[]) => Promise<void> | void;
}

/** A SeaweedFS on loopback, started by us. */
export interface SeaweedServer {
  /** Complete settings for an artefact store, keys included. */
  settings: S3Settings;
  logFile: string;
  process(): SpawnedProcess;
  stop(): Promise<void>;
  /** Ends it without warning, as a crash would. */
  kill9(): Promise<void>;
  /** Starts it again on the same files and ports; returns when reads work again. */
  restart(): Promise<void>;
}

/**
 * Starts SeaweedFS and returns when an object could be written to the bucket and read back. Takes the ports used
 * last time or 8333 where they are free, others otherwise. Keys are random, made once per `dir`.
 */
export async function startSeaweed(options: SeaweedOptions): Promise<SeaweedServer> {
  return choosingPorts(() => startOnFreePorts(options), options.signal);
}

async function startOnFreePorts(options: SeaweedOptions): Promise<SeaweedServer> {
  await mkdir(join(options.dir, 'data'), { recursive: true });
  const credentials = await ensureCredentials(options.dir);
  const portsFile = join(options.dir, 'ports.json');
  const remembered = (await readJsonFile(portsFile)) as Partial<SeaweedPorts> | undefined;
  for (let attempt = 1; ; attempt++) {
    const ports = await choosePorts(remembered);
    const settings: S3Settings = {
      endpoint: `http://${LOOPBACK}:${ports.s3}`,
      region: 'us-east-1',
      bucket: options.bucket,
      forcePathStyle: true,
      ...credentials,
    };
    try {
      const first = await launch(options, ports, settings);
      await writeJsonFile(portsFile, ports);
      return handle(options, ports, settings, first);
    } catch (error) {
      // Another process may take a port between our look and the server's own bind.
      const lost =
        isInfraError(error, 'ServerFailed') &&
        /address already in use|port.*not available/i.test(error.message);
      if (!lost || attempt >= START_ATTEMPTS) throw error;
    }
  }
}

function handle(
  options: SeaweedOptions,
  ports: SeaweedPorts,
  settings: S3Settings,
  first: SpawnedProcess,
): SeaweedServer {
  let current = first;
  return {
    settings,
    logFile: logFileOf(options.dir),
    process: () => current,
    stop: async () => {
      await stopGroup(current, STOP_GRACE_MS);
      await removeSockets(portNumbers(ports));
    },
    kill9: () => killGroup(current),
    restart: async () => {
      await stopGroup(current, STOP_GRACE_MS);
      current = await launch(options, ports, settings);
    },
  };
}

async function launch(
  options: SeaweedOptions,
  ports: SeaweedPorts,
  settings: S3Settings,
): Promise<SpawnedProcess> {
  const logFile = logFileOf(options.dir);
  const process_ = await spawnDetached({
    name: 'SeaweedFS',
    command: options.binary,
    args: serverArguments(options.dir, ports),
    env: { ...process.env, GOMEMLIMIT: options.memoryLimit ?? DEFAULT_MEMORY_LIMIT },
    logFile,
  });
  const impatient = { ...settings, patienceMs: 0 };
  try {
    await options.onSpawn?.(process_, portNumbers(ports));
    await waitHealthy({
      title: 'SeaweedFS',
      process: process_,
      logFile,
      timeoutMs: START_TIMEOUT_MS,
      signal: options.signal,
      probe: async () => {
        await ensureBucket(impatient);
        await probeReadWrite(impatient);
      },
    });
    return process_;
  } catch (error) {
    await stopGroup(process_, STOP_GRACE_MS);
    throw error;
  }
}

function serverArguments(dir: string, ports: SeaweedPorts): string[] {
  return [
    'mini',
    `-dir=${join(dir, 'data')}`,
    // Without these it binds every interface and reports usage to its makers.
    `-ip=${LOOPBACK}`,
    `-ip.bind=${LOOPBACK}`,
    '-master.telemetry=false',
    // A lone master that resumes its old election state may turn its volume server away for up to half a minute;
    // it learns volumes and file keys from that server's first heartbeat either way.
    '-master.resumeState=false',
    `-s3.port=${ports.s3}`,
    `-s3.config=${configFileOf(dir)}`,
    // A misspelt bucket should be an error, not a new bucket.
    '-s3.autoCreateBucket=false',
    '-s3.port.iceberg=0',
    '-s3.port.lance=0',
    '-webdav=false',
    '-admin.ui=false',
    `-admin.port=${ports.admin}`,
    `-filer.port=${ports.filer}`,
    `-master.port=${ports.master}`,
    `-volume.port=${ports.volume}`,
  ];
}

async function choosePorts(remembered: Partial<SeaweedPorts> | undefined): Promise<SeaweedPorts> {
  const taken = new Set<number>();
  const next = async (preferred: number | undefined): Promise<number> => {
    const port = await freePortPair(preferred, taken);
    taken.add(port);
    return port;
  };
  return {
    s3: await next(remembered?.s3 ?? DEFAULT_S3_PORT),
    filer: await next(remembered?.filer),
    master: await next(remembered?.master),
    volume: await next(remembered?.volume),
    admin: await next(remembered?.admin),
  };
}

async function ensureCredentials(dir: string): Promise<Credentials> {
  const file = join(dir, 'credentials.json');
  const stored = (await readJsonFile(file)) as Credentials | undefined;
  const credentials = stored?.secretAccessKey
    ? stored
    : {
        accessKeyId: `rmr1-${randomBytes(6).toString('hex')}`,
        secretAccessKey: randomBytes(24).toString('base64url'),
      };
  await writeJsonFile(file, credentials);
  await writeJsonFile(configFileOf(dir), {
    identities: [
      {
        name: 'rmr1',
        credentials: [{ accessKey: credentials.accessKeyId, secretKey: credentials.secretAccessKey }],
        actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'],
      },
    ],
  });
  return credentials;
}

function portNumbers(ports: SeaweedPorts): number[] {
  return Object.values(ports as unknown as Record<string, number>).flatMap((port) => [
    port,
    port + GRPC_OFFSET,
  ]);
}

/** SeaweedFS puts Unix sockets named by port into /tmp and leaves them there when killed. */
export async function removeSockets(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    for (const part of ['s3', 'filer', 'master', 'volume', 'admin']) {
      await rm(`/tmp/seaweedfs-${part}-${port}.sock`, { force: true });
      await rm(`/tmp/seaweedfs-${part}-grpc-${port}.sock`, { force: true });
    }
  }
}

function configFileOf(dir: string): string {
  return join(dir, 's3.json');
}

function logFileOf(dir: string): string {
  return join(dir, 'seaweedfs.log');
}
