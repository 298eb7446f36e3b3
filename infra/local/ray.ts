/** A Ray head on loopback, started by us: GCS, raylet and the dashboard that serves the Jobs API. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { InfraError } from './errors.js';
import { choosingPorts, freePort } from './ports.js';
import { killGroup, spawnDetached, stopGroup, type SpawnedProcess } from './process.js';
import { pythonOf } from './ray-python.js';
import { waitHealthy } from './wait-healthy.js';

const SCRATCH_PREFIX = 'rmr1-ray-';
const LOOPBACK = '127.0.0.1';
/** Another loopback address, so that the node is not taken for one that others can reach by a name. */
const NODE_ADDRESS = '127.0.0.2';
const DEFAULT_DASHBOARD_PORT = 8265;
const START_TIMEOUT_MS = 180_000;
const STOP_GRACE_MS = 20_000;
/** Only logs and packages pass through it here. */
const OBJECT_STORE_BYTES = 100_000_000;

export interface RayOptions {
  /** A virtual environment with Ray and what the jobs import. */
  environment: string;
  /** Holds the log. */
  dir: string;
  cpus: number;
  /** What jobs inherit: the keys of the artefact store, which are never sent with a job. */
  variables: Record<string, string>;
  signal?: AbortSignal | undefined;
  /** Called as soon as the process exists, before it is healthy: whoever must stop it should note it down. */
  onSpawn?: (process: SpawnedProcess, ports: number[], scratch: string) => Promise<void> | void;
}

interface RayPorts {
  gcs: number;
  dashboard: number;
  agent: number;
  client: number;
}

export interface RayServer {
  /** For `RMR1_RAY_ADDRESS`. */
  address: string;
  logFile: string;
  process(): SpawnedProcess;
  stop(): Promise<void>;
  /** Ends head and raylet without warning. Jobs live on for about a minute. */
  kill9(): Promise<void>;
  /** Starts it again at the same address. It knows no job of before. */
  restart(): Promise<void>;
  /** One more node of the cluster on this machine, at another loopback address; it ends when it is stopped. */
  addNode(address: string, cpus: number): Promise<SpawnedProcess>;
}

/** Start a head and return when its Jobs API answers. */
export async function startRay(options: RayOptions): Promise<RayServer> {
  return choosingPorts(async () => {
    await mkdir(options.dir, { recursive: true });
    const ports: RayPorts = {
      gcs: await freePort(),
      dashboard: await freePort(DEFAULT_DASHBOARD_PORT),
      agent: await freePort(),
      client: await freePort(),
    };
    // Ray's sockets lie below it, and their paths must be short.
    const scratch = await mkdtemp(join(tmpdir(), SCRATCH_PREFIX));
    let current: SpawnedProcess;
    try {
      current = await launch(options, ports, scratch);
    } catch (error) {
      await removeScratch(scratch);
      throw error;
    }
    return {
      address: addressOf(ports),
      logFile: logFileOf(options.dir),
      process: () => current,
      stop: async () => {
        await stopGroup(current, STOP_GRACE_MS);
        await removeScratch(scratch);
      },
      kill9: () => killGroup(current),
      restart: async () => {
        await stopGroup(current, STOP_GRACE_MS);
        current = await launch(options, ports, scratch);
      },
      addNode: (address, cpus) => launchNode(options, ports, address, cpus),
    };
  }, options.signal);
}

/** Sockets, logs and packages of a head that has ended; what is not named like a folder of ours is left alone. */
export async function removeScratch(dir: string): Promise<void> {
  // A trainer that outlives its head for a moment may still write below it.
  if (basename(dir).startsWith(SCRATCH_PREFIX))
    await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

/** A node of a running cluster. Returns when the head counts it. */
async function launchNode(
  options: RayOptions,
  ports: RayPorts,
  address: string,
  cpus: number,
): Promise<SpawnedProcess> {
  const logFile = join(options.dir, `ray-${address}.log`);
  const process = await spawnRay(options, logFile, [
    ...['--block', '--disable-usage-stats', '--include-log-monitor=false'],
    ...[`--address=${NODE_ADDRESS}:${ports.gcs}`, `--node-ip-address=${address}`],
    ...[`--dashboard-agent-listen-port=${await freePort()}`, `--num-cpus=${cpus}`, '--num-gpus=0'],
    `--object-store-memory=${OBJECT_STORE_BYTES}`,
  ]);
  const probe = () => probeNodes(addressOf(ports), 2);
  await waitHealthy({
    title: 'Ray',
    process,
    logFile,
    timeoutMs: START_TIMEOUT_MS,
    signal: undefined,
    probe,
  });
  return process;
}

const addressOf = ({ dashboard }: RayPorts): string => `http://${LOOPBACK}:${dashboard}`;
const logFileOf = (dir: string): string => join(dir, 'ray.log');

async function launch(options: RayOptions, ports: RayPorts, scratch: string): Promise<SpawnedProcess> {
  const { dir, signal } = options;
  const logFile = logFileOf(dir);
  const process = await spawnRay(options, logFile, headArguments(options, ports, scratch));
  try {
    await options.onSpawn?.(process, Object.values(ports) as number[], scratch);
    await waitHealthy({
      title: 'Ray',
      process,
      logFile,
      timeoutMs: START_TIMEOUT_MS,
      signal,
      probe: () => probe(addressOf(ports)),
    });
    return process;
  } catch (error) {
    await stopGroup(process, STOP_GRACE_MS);
    throw error;
  }
}

function spawnRay(
  { environment, variables }: RayOptions,
  logFile: string,
  args: readonly string[],
): Promise<SpawnedProcess> {
  return spawnDetached({
    name: 'Ray',
    command: pythonOf(environment),
    args: ['-m', 'ray.scripts.scripts', 'start', ...args],
    env: {
      ...globalThis.process.env,
      ...variables,
      // Jobs are started as `python`.
      PATH: `${join(environment, 'bin')}:${globalThis.process.env.PATH ?? ''}`,
      // More threads than cores make torch many times slower.
      OMP_NUM_THREADS: '1',
      RAY_DISABLE_IMPORT_WARNING: '1',
    },
    logFile,
  });
}

/** The Jobs API answers only once the node's agent has reported to the head. */
async function probe(address: string): Promise<void> {
  await ask(address, '/api/jobs/');
  await probeNodes(address, 1);
}

async function probeNodes(address: string, count: number): Promise<void> {
  const alive = (await ask(address, '/nodes?view=summary')).split('"ALIVE"').length - 1;
  if (alive < count) throw new InfraError('ServerFailed', `${alive} of ${count} nodes are alive`);
}

async function ask(address: string, path: string): Promise<string> {
  const answer = await fetch(address + path, { signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw new InfraError('ServerFailed', `${path} answered ${answer.status}`);
  return answer.text();
}

function headArguments({ cpus }: RayOptions, ports: RayPorts, scratch: string): string[] {
  return [
    ['--head', '--block', '--disable-usage-stats', '--include-log-monitor=false'],
    [`--node-ip-address=${NODE_ADDRESS}`, `--port=${ports.gcs}`, `--temp-dir=${scratch}`],
    ['--include-dashboard=true', `--dashboard-host=${LOOPBACK}`, `--dashboard-port=${ports.dashboard}`],
    [`--dashboard-agent-listen-port=${ports.agent}`, `--ray-client-server-port=${ports.client}`],
    [`--num-cpus=${cpus}`, '--num-gpus=0', `--object-store-memory=${OBJECT_STORE_BYTES}`],
  ].flat();
}
