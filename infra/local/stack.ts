import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ArtifactStore } from '../../activities/artifacts/store.js';
import type { S3Settings } from '../../activities/artifacts/settings.js';
import { resolveBinary } from './binaries.js';
import { profileVariables } from '../connection-profile.js';
import { isInfraError, throwIfAborted, type InfraErrorType } from './errors.js';
import { withLock } from './lock.js';
import { connectTemporal, describeNamespace, type NamespaceSettings } from './namespace.js';
import { startNodeService, stopService, type NodeService, type NodeServiceOptions } from './node-service.js';
import { isRunning, stopGroup, type SpawnedProcess } from './process.js';
import { ensureBucket, probeReadWrite } from './s3-probe.js';
import { removeScratch, startRay } from './ray.js';
import { resolveRayEnvironment } from './ray-python.js';
import { removeSockets, startSeaweed } from './seaweed.js';
import { StackFile, type ProcessRecord, type StackState } from './stack-file.js';
import { startTemporal, useTemporal } from './temporal.js';

export interface UpOptions extends NamespaceSettings {
  /** Use this Temporal server instead of starting one. */
  temporalAddress?: string;
  /** Use this S3 instead of starting one. Its bucket must exist unless `createBucket`. */
  s3?: S3Settings;
  createBucket?: boolean;
  /** Bucket of a store we start. Default `rmr1`. */
  bucket?: string;
  /** Also a Ray head, for recipes with `engine: ray`. */
  ray?: boolean;
  signal?: AbortSignal | undefined;
  onProgress?: (message: string) => void;
}

type ServerName = 'temporal' | 's3' | 'ray';

/** Addresses of a stack that is up. */
export interface StackAddresses {
  temporal: NonNullable<StackState['temporal']>;
  s3: NonNullable<StackState['s3']>;
  /** Which servers this call started; the others were running or are external. */
  started: ServerName[];
}

export interface PartStatus {
  name: string;
  /** Whether its process runs, or for an external one whether it answers. */
  alive: boolean;
  external: boolean;
  address?: string;
  pid?: number;
  logFile?: string;
}

/** The servers and services of one home directory. Safe to use from several processes at once. */
export class LocalStack {
  private readonly file: StackFile;

  constructor(readonly home: string) {
    this.file = new StackFile(home);
  }

  /**
   * Makes Temporal and S3 usable: keeps what runs, starts what does not, prepares namespace, search attributes
   * and bucket. If any part fails or `signal` aborts, everything this call started is stopped again.
   */
  async up(options: UpOptions): Promise<StackAddresses> {
    await mkdir(this.home, { recursive: true, mode: 0o700 });
    return this.exclusively(options, async () => {
      const started: StackAddresses['started'] = [];
      const failFast = new AbortController();
      const signal = options.signal ? AbortSignal.any([options.signal, failFast.signal]) : failFast.signal;
      const parts = [this.upTemporal(options, signal, started), this.upS3(options, signal, started)];
      for (const part of parts) part.catch(() => failFast.abort());
      const firstFailure = await Promise.all(parts)
        // Jobs inherit from the head where the store is.
        .then(() => (options.ray ? this.upRay(options, signal, started) : undefined))
        .then(
          () => undefined,
          (error: unknown) => ({ error }),
        );
      if (firstFailure) {
        await Promise.allSettled(parts);
        await this.stopServers(started);
        throw firstFailure.error;
      }
      const { temporal, s3 } = await this.file.read();
      if (!temporal || !s3) throw new Error(`${this.file.path} was removed while the stack was starting`);
      return { temporal, s3, started };
    });
  }

  /** Ends every service and server that was started in this home, in reverse order. External ones stay. */
  async down(options: { onProgress?: (message: string) => void } = {}): Promise<void> {
    await mkdir(this.home, { recursive: true });
    await this.exclusively(options, async () => {
      const { services } = await this.file.read();
      for (const service of [...services].reverse()) {
        options.onProgress?.(`Stopping ${service.name}`);
        await stopService(this.file, service);
      }
      options.onProgress?.('Stopping the servers');
      await this.stopServers(['ray', 'temporal', 's3']);
      await this.file.remove();
    });
  }

  /** Every part of the stack and whether it is alive. */
  async status(): Promise<PartStatus[]> {
    const { temporal, s3, ray, servers, services } = await this.file.read();
    const parts: PartStatus[] = [];
    if (temporal) {
      const alive = await answers(() => this.temporalAnswers(temporal.address, temporal.namespace));
      parts.push(part('temporal', alive, temporal.external, temporal.address, servers.temporal));
    }
    if (s3) {
      const alive = await answers(() => probeReadWrite({ ...settingsOf(s3), patienceMs: 0 }));
      parts.push(part('s3', alive, s3.external, s3.endpoint, servers.s3));
    }
    if (ray) {
      const alive = servers.ray !== undefined && isRunning(servers.ray);
      parts.push(part('ray', alive, false, ray.address, servers.ray));
    }
    for (const service of services) {
      const ready = service.ready as { baseUrl?: string } | undefined;
      parts.push(part(service.name, isRunning(service), false, ready?.baseUrl, service));
    }
    return parts;
  }

  /** Variables that point Temporal clients, workers and the artefact store of a child process at this stack. */
  async environment(): Promise<Record<string, string>> {
    const { temporal, s3, ray } = await this.file.read();
    const env: Record<string, string> = { RMR1_HOME: this.home };
    if (ray) env['RMR1_RAY_ADDRESS'] = ray.address;
    if (temporal) {
      env['TEMPORAL_ADDRESS'] = temporal.address;
      env['TEMPORAL_NAMESPACE'] = temporal.namespace;
      if (temporal.uiUrl) env['TEMPORAL_UI_URL'] = temporal.uiUrl;
      // The user's keys and profiles do not belong to a server of ours.
      if (!temporal.external) for (const name of profileVariables()) env[name] = '';
    }
    if (s3) {
      if (s3.endpoint) env['RMR1_S3_ENDPOINT'] = s3.endpoint;
      env['RMR1_S3_BUCKET'] = s3.bucket;
      env['RMR1_S3_PATH_STYLE'] = String(s3.forcePathStyle);
      env['AWS_REGION'] = s3.region;
      if (s3.prefix) env['RMR1_S3_PREFIX'] = s3.prefix;
      if (s3.accessKeyId) env['AWS_ACCESS_KEY_ID'] = s3.accessKeyId;
      if (s3.secretAccessKey) env['AWS_SECRET_ACCESS_KEY'] = s3.secretAccessKey;
      // A session token of the user's own account does not belong to these keys.
      if (!s3.external) env['AWS_SESSION_TOKEN'] = '';
    }
    return env;
  }

  /** Starts a Node program in this stack's environment; see {@link startNodeService}. */
  async startService(options: Omit<NodeServiceOptions, 'home'>): Promise<NodeService> {
    const env = { ...(await this.environment()), ...options.env };
    return startNodeService({ ...options, env, home: this.home });
  }

  /** Notes where the oracle service answers, for everything that reads `stack.json`. */
  async setOracle(baseUrl: string): Promise<void> {
    await this.file.update((state) => {
      state.oracle = { baseUrl };
    });
  }

  /** A store on this stack's S3. */
  async store(): Promise<ArtifactStore> {
    const { s3 } = await this.file.read();
    if (!s3) throw new Error(`no stack is up in ${this.home}`);
    return new ArtifactStore(settingsOf(s3), { cacheDir: join(this.home, 'cache') });
  }

  private async upTemporal(
    options: UpOptions,
    signal: AbortSignal,
    started: StackAddresses['started'],
  ): Promise<void> {
    const { namespace, retentionDays, searchAttributes } = options;
    const wanted = { namespace, retentionDays, searchAttributes };
    const { temporal, servers } = await this.file.read();
    if (options.temporalAddress) {
      await this.stopServers(['temporal']);
      await useTemporal(options.temporalAddress, wanted, signal);
      await this.file.update((state) => {
        state.temporal = { address: options.temporalAddress as string, namespace, external: true };
      });
      return;
    }
    const running = temporal && !temporal.external && servers.temporal && isRunning(servers.temporal);
    if (running && (await answers(() => useTemporal(temporal.address, wanted, signal), 'SearchAttributes'))) {
      await this.file.update((state) => {
        state.temporal = { ...temporal, namespace };
      });
      return;
    }
    await this.stopServers(['temporal']);
    const { path } = await resolveBinary('temporal', { signal, onProgress: options.onProgress });
    throwIfAborted(signal);
    options.onProgress?.('Starting Temporal');
    started.push('temporal');
    const dir = join(this.home, 'temporal');
    const server = await startTemporal({
      ...wanted,
      binary: path,
      dir,
      signal,
      onSpawn: (process, ports) => this.noteServer('temporal', process, ports, join(dir, 'temporal.log')),
    });
    await this.file.update((state) => {
      state.temporal = { address: server.address, namespace, uiUrl: server.uiUrl, external: false };
    });
  }

  private async upS3(
    options: UpOptions,
    signal: AbortSignal,
    started: StackAddresses['started'],
  ): Promise<void> {
    const { s3, servers } = await this.file.read();
    if (options.s3) {
      const external = options.s3;
      await this.stopServers(['s3']);
      if (options.createBucket) await ensureBucket(external);
      await probeReadWrite({ ...external, patienceMs: 2_000 });
      await this.file.update((state) => {
        state.s3 = { ...withoutPatience(external), external: true };
      });
      return;
    }
    const running = s3 && !s3.external && servers.s3 && isRunning(servers.s3);
    if (running && (await answers(() => probeReadWrite({ ...settingsOf(s3), patienceMs: 5_000 })))) return;
    await this.stopServers(['s3']);
    const { path } = await resolveBinary('weed', { signal, onProgress: options.onProgress });
    throwIfAborted(signal);
    options.onProgress?.('Starting S3 (SeaweedFS)');
    started.push('s3');
    const dir = join(this.home, 's3');
    const server = await startSeaweed({
      binary: path,
      dir,
      bucket: options.bucket ?? 'rmr1',
      signal,
      onSpawn: (process, ports) => this.noteServer('s3', process, ports, join(dir, 'seaweedfs.log')),
    });
    await this.file.update((state) => {
      state.s3 = { ...withoutPatience(server.settings), external: false };
    });
  }

  private async upRay(options: UpOptions, signal: AbortSignal, started: ServerName[]): Promise<void> {
    const { ray, servers } = await this.file.read();
    if (ray && servers.ray && isRunning(servers.ray)) return;
    await this.stopServers(['ray']);
    const { onProgress } = options;
    const environment = await resolveRayEnvironment({ signal, onProgress });
    onProgress?.('Starting Ray');
    started.push('ray');
    const dir = join(this.home, 'ray');
    const server = await startRay({
      environment,
      dir,
      cpus: availableParallelism(),
      variables: await this.environment(),
      signal,
      onSpawn: (process, ports, scratch) =>
        this.noteServer('ray', process, ports, join(dir, 'ray.log'), scratch),
    });
    await this.file.update((state) => {
      state.ray = { address: server.address };
    });
  }

  private async noteServer(
    name: ServerName,
    { pid, startedAt }: SpawnedProcess,
    ports: number[],
    logFile: string,
    scratch?: string,
  ): Promise<void> {
    await this.file.update((state) => {
      state.servers[name] = { pid, startedAt, ports, logFile, ...(scratch ? { scratch } : {}) };
    });
  }

  private async stopServers(names: readonly ServerName[]): Promise<void> {
    const { servers } = await this.file.read();
    await Promise.all(
      names.map(async (name) => {
        const server = servers[name];
        if (!server) return;
        await stopGroup(server, 20_000);
        if (name === 's3') await removeSockets(server.ports);
        if (server.scratch) await removeScratch(server.scratch);
      }),
    );
    await this.file.update((state) => {
      for (const name of names) {
        delete state.servers[name];
        if (name === 'ray') delete state.ray;
        else if (!state[name]?.external) delete state[name];
      }
    });
  }

  private async temporalAnswers(address: string, namespace: string): Promise<void> {
    const connection = await connectTemporal(address, 2_000);
    try {
      if (!(await describeNamespace(connection, namespace))) throw new Error(`no namespace ${namespace}`);
    } finally {
      await connection.close();
    }
  }

  private exclusively<T>(
    options: { signal?: AbortSignal | undefined; onProgress?: (message: string) => void },
    work: () => Promise<T>,
  ): Promise<T> {
    return withLock(join(this.home, 'stack.lock'), work, {
      signal: options.signal,
      onWait: ({ pid }) =>
        options.onProgress?.(`Waiting for process ${pid}, which is starting or stopping this stack`),
    });
  }
}

/** Settings for the artefact store from what `stack.json` notes. */
export function settingsOf(s3: NonNullable<StackState['s3']>): S3Settings {
  const { external: _, ...rest } = s3;
  return Object.fromEntries(
    Object.entries(rest).filter(([, value]) => value !== undefined),
  ) as unknown as S3Settings;
}

function withoutPatience({ patienceMs: _, ...settings }: S3Settings): Omit<S3Settings, 'patienceMs'> {
  return settings;
}

/** Whether a server answers; a failure of type `fatal` is the user's to mend and is passed on. */
async function answers(call: () => Promise<void>, fatal?: InfraErrorType): Promise<boolean> {
  return call().then(
    () => true,
    (error: unknown) => {
      if (isInfraError(error, 'Interrupted') || (fatal && isInfraError(error, fatal))) throw error;
      return false;
    },
  );
}

function part(
  name: string,
  alive: boolean,
  external: boolean,
  address: string | undefined,
  record: ProcessRecord | undefined,
): PartStatus {
  return {
    name,
    alive,
    external,
    ...(address ? { address } : {}),
    ...(record && !external ? { pid: record.pid, logFile: record.logFile } : {}),
  };
}
