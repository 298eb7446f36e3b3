/** Everything a run needs on one machine: the servers of `infra/local`, the oracle service and a worker. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { settingsFromEnvironment } from '../../activities/artifacts/settings.js';
import { connectionProfile } from '../../infra/connection-profile.js';
import { homeDirectory, projectRoot } from '../../infra/environment.js';
import { stopService, type NodeService } from '../../infra/local/node-service.js';
import { isRunning, killGroup } from '../../infra/local/process.js';
import { LocalStack } from '../../infra/local/stack.js';
import { StackFile } from '../../infra/local/stack-file.js';
import { temporalConfig } from '../../temporal.config.js';
import { ClientError } from '../errors.js';
import { labelsFile } from '../oracle-labels.js';
import { namesOwnStore } from '../store.js';

export interface ServicesOptions {
  /** Also stop what was running before: the stack of an owner that died. */
  adopt?: boolean;
  oracle?: boolean;
  worker?: boolean;
  /** Also a Ray head, whose Python environment is built where it is missing. */
  ray?: boolean;
  signal?: AbortSignal;
  onProgress?: (message: string) => void;
}

export interface ServiceAddresses {
  temporal: { address: string; namespace: string; uiUrl?: string };
  s3: { endpoint?: string; bucket: string };
  oracle?: { baseUrl: string };
  ray?: { address: string };
}

/** Time for a trainer to finish its step and store a last checkpoint. */
const WORKER_GRACE_MS = 150_000;
const WATCH_EVERY_MS = 1_000;
const SERVER_TITLES: Record<string, string> = { temporal: 'Temporal', s3: 'S3', ray: 'Ray' };
/** Restarts of one part before its owner gives up. */
const MOST_RESTARTS = 5;

export class LocalServices {
  private readonly stack: LocalStack;
  private readonly file: StackFile;
  private readonly restarts = new Map<string, number>();
  private readonly nodes: NodeService[] = [];
  private startedServers = false;
  /** Settles when everything has been stopped; unset until then. */
  private stopped: Promise<void> | undefined;

  private constructor(
    readonly home: string,
    private readonly options: ServicesOptions,
  ) {
    this.stack = new LocalStack(home);
    this.file = new StackFile(home);
  }

  /** Start what does not run yet; what this call started is stopped again if it fails or is aborted. */
  static async start(options: ServicesOptions = {}): Promise<LocalServices> {
    const services = new LocalServices(homeDirectory(), options);
    try {
      services.startedServers = await services.startServers();
      if (options.oracle !== false) await services.startOracle();
      if (options.worker !== false) await services.startWorker();
      return services;
    } catch (error) {
      await services.stop({ graceMs: 0 });
      throw error;
    }
  }

  /** The services of a home, to stop them from another process. */
  static adopted(options: ServicesOptions = {}): LocalServices {
    return new LocalServices(homeDirectory(), { ...options, adopt: true });
  }

  async addresses(): Promise<ServiceAddresses> {
    const { temporal, s3, oracle, ray } = await this.file.read();
    if (!temporal || !s3)
      throw new ClientError('StackMissing', `No stack is up in ${this.home}. Start it with \`rmr1 up\`.`);
    return {
      temporal: {
        address: temporal.address,
        namespace: temporal.namespace,
        ...(temporal.uiUrl ? { uiUrl: temporal.uiUrl } : {}),
      },
      s3: { bucket: s3.bucket, ...(s3.endpoint ? { endpoint: s3.endpoint } : {}) },
      ...(oracle ? { oracle } : {}),
      ...(ray ? { ray } : {}),
    };
  }

  /**
   * Start again whatever ends, until `signal` aborts: a run goes on from its last checkpoint.
   * @throws ClientError `ServiceFailed` once a part has ended too often.
   */
  async keepAlive(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.stopped) {
      await delay(WATCH_EVERY_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted || this.stopped) return;
      await this.mend();
    }
  }

  /** Worker first, so that its trainer can still store a checkpoint; then oracle and servers. */
  stop({ graceMs = WORKER_GRACE_MS }: { graceMs?: number } = {}): Promise<void> {
    this.stopped ??= this.end(graceMs);
    return this.stopped;
  }

  private async end(graceMs: number): Promise<void> {
    const { onProgress } = this.options;
    const { services } = await this.file.read();
    const ours = services.filter(
      (record) =>
        this.options.adopt || this.nodes.some((node) => node.started && node.record.pid === record.pid),
    );
    for (const record of ours.reverse()) {
      onProgress?.(
        record.name === 'worker'
          ? 'Stopping the worker; a trainer saves a last checkpoint'
          : `Stopping ${record.name}`,
      );
      await stopService(this.file, record, graceMs);
    }
    if (this.options.adopt || this.startedServers) await this.stack.down(onProgress ? { onProgress } : {});
  }

  /** End at once what {@link stop} would end. */
  async kill(): Promise<void> {
    const { services, servers } = await this.file.read();
    const records = this.options.adopt || this.startedServers ? [...services, ...Object.values(servers)] : [];
    await Promise.all(
      [...records, ...this.nodes.filter(({ started }) => started).map(({ record }) => record)].map((record) =>
        killGroup(record),
      ),
    );
    await this.stop({ graceMs: 0 });
  }

  private async startServers(): Promise<boolean> {
    const { signal, onProgress } = this.options;
    const { address: external, namespace } = connectionProfile();
    const noted = (await this.file.read()).ray !== undefined;
    const { started } = await this.stack.up({
      namespace: namespace ?? temporalConfig.namespace,
      retentionDays: temporalConfig.retentionDays,
      searchAttributes: temporalConfig.searchAttributes,
      ...(external ? { temporalAddress: external } : {}),
      ...(namesOwnStore() ? { s3: settingsFromEnvironment() } : {}),
      ...(this.options.ray || noted ? { ray: true } : {}),
      ...(signal ? { signal } : {}),
      ...(onProgress ? { onProgress } : {}),
    });
    return started.length > 0;
  }

  private async startOracle(): Promise<void> {
    if (!(await this.runs('oracle'))) this.options.onProgress?.('Starting the local oracle');
    const service = await this.stack.startService({
      name: 'oracle',
      entry: join(projectRoot(), 'dist/infra/oracle/main.js'),
      args: [
        '--port',
        '0',
        ...(existsSync(labelsFile(this.home)) ? ['--labels', labelsFile(this.home)] : []),
      ],
      waitReady: true,
      ...(this.options.signal ? { signal: this.options.signal } : {}),
    });
    this.nodes.push(service);
    const { baseUrl } = (service.record.ready ?? {}) as { baseUrl?: string };
    if (!baseUrl) {
      throw new ClientError(
        'ServiceFailed',
        `The local oracle did not say its address. Its log is ${service.record.logFile}.`,
      );
    }
    await this.stack.setOracle(baseUrl);
  }

  private async startWorker(): Promise<void> {
    if (!(await this.runs('worker'))) this.options.onProgress?.('Starting the worker');
    const service = await this.stack.startService({
      name: 'worker',
      entry: join(projectRoot(), 'dist/workers/main.js'),
      waitReady: true,
      ...(this.options.signal ? { signal: this.options.signal } : {}),
    });
    this.nodes.push(service);
  }

  private async runs(name: string): Promise<boolean> {
    const { services } = await this.file.read();
    return services.some((service) => service.name === name && isRunning(service));
  }

  private async mend(): Promise<void> {
    const dead = await this.ended();
    if (dead.length === 0) return;
    // `rmr1 down` ends a part before it forgets it: look again before calling that a crash.
    await delay(WATCH_EVERY_MS);
    const still = await this.ended();
    for (const { name, logFile } of still.filter((part) =>
      dead.some(({ name: before }) => before === part.name),
    )) {
      if (this.stopped) return;
      if (name === 'worker') await this.restart('The worker', () => this.startWorker(), logFile);
      else if (name === 'oracle') await this.restart('The oracle', () => this.startOracle(), logFile);
      else
        await this.restart(
          SERVER_TITLES[name] ?? name,
          async () => void (await this.startServers()),
          logFile,
        );
    }
  }

  /** Parts that are noted as running and are not. */
  private async ended(): Promise<{ name: string; logFile: string }[]> {
    const { servers, services, temporal, s3 } = await this.file.read();
    if (!temporal && !s3)
      throw new ClientError('StackMissing', `The stack in ${this.home} was stopped by another command.`);
    return [...Object.entries(servers).map(([name, record]) => ({ ...record, name })), ...services].filter(
      (record) => !isRunning(record),
    );
  }

  private async restart(what: string, start: () => Promise<void>, logFile?: string): Promise<void> {
    if (this.stopped) return;
    const times = (this.restarts.get(what) ?? 0) + 1;
    this.restarts.set(what, times);
    if (times > MOST_RESTARTS) {
      throw new ClientError(
        'ServiceFailed',
        `${what} ended ${times} times and is not started again.${logFile ? ` Its log is ${logFile}.` : ` Logs are in ${this.home}.`}`,
      );
    }
    this.options.onProgress?.(`${what} ended and is started again`);
    await start();
  }
}
