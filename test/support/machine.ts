/** Real servers, oracle and workers of a test, each with a process to kill. */
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { Client, Connection } from '@temporalio/client';
import proto from '@temporalio/proto';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createS3Client } from '../../activities/artifacts/s3-client.js';
import { ArtifactStore } from '../../activities/artifacts/store.js';
import { projectRoot } from '../../infra/environment.js';
import { resolveBinary } from '../../infra/local/binaries.js';
import { readJsonFile } from '../../infra/local/json-file.js';
import { isRunning, spawnDetached, stopGroup, type SpawnedProcess } from '../../infra/local/process.js';
import { startSeaweed, type SeaweedServer } from '../../infra/local/seaweed.js';
import { startTemporal, type TemporalServer } from '../../infra/local/temporal.js';
import type { OracleStats } from '../../infra/oracle/stats.js';
import { temporalConfig } from '../../temporal.config.js';
import type { TrainRewardModelInput } from '../../workflows/inputs.js';
import { progressQuery, type RunProgress } from '../../workflows/messages.js';
import type { trainRewardModel } from '../../workflows/train-reward-model.js';
import { cleanEnvironment } from './command.js';
import { allProcesses, type SeenProcess } from './processes.js';
import { until } from './until.js';

/** Silence after which a worker of these tests counts as lost. */
export const HEARTBEAT_SECONDS = 5;

export interface TestOracle {
  baseUrl: string;
  process: SpawnedProcess;
  stats(): Promise<OracleStats>;
  /** Switch faults on; an empty list switches all off. */
  faults(...faults: Record<string, unknown>[]): Promise<void>;
}

export class TestMachine {
  private readonly spawned: SpawnedProcess[] = [];
  private readonly workers: SpawnedProcess[] = [];
  private serial = 0;
  /** Added to the environment of every worker. */
  workerVariables: Record<string, string> = {};

  private constructor(
    /** Logs, databases, objects, work directories; gone at the end. */
    readonly home: string,
    readonly temporal: TemporalServer,
    readonly s3: SeaweedServer,
    readonly client: Client,
    readonly store: ArtifactStore,
    public oracle: TestOracle,
  ) {}

  static async start(): Promise<TestMachine> {
    const home = await mkdtemp(join(tmpdir(), 'rmr1-machine-'));
    const namespace = temporalConfig.namespace;
    const [temporalBinary, weed] = [await resolveBinary('temporal'), await resolveBinary('weed')];
    const temporal = await startTemporal({
      binary: temporalBinary.path,
      dir: join(home, 'temporal'),
      namespace,
      retentionDays: 1,
      searchAttributes: temporalConfig.searchAttributes,
    });
    const s3 = await startSeaweed({ binary: weed.path, dir: join(home, 's3'), bucket: 'rmr1' });
    const connection = await Connection.connect({ address: temporal.address });
    const client = new Client({ connection, namespace });
    const machine = new TestMachine(
      home,
      temporal,
      s3,
      client,
      new ArtifactStore(s3.settings),
      undefined as unknown as TestOracle,
    );
    machine.oracle = await machine.startOracle();
    return machine;
  }

  /** What workers and commands need to find this machine's servers. */
  environment(extra: Record<string, string | undefined> = {}): Record<string, string | undefined> {
    const { endpoint, bucket, accessKeyId, secretAccessKey } = this.s3.settings;
    return {
      RMR1_HOME: this.home,
      TEMPORAL_ADDRESS: this.temporal.address,
      TEMPORAL_NAMESPACE: temporalConfig.namespace,
      RMR1_S3_ENDPOINT: endpoint,
      RMR1_S3_BUCKET: bucket,
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      // A warm cache would hide that an object in the store is gone or corrupt.
      RMR1_ARTIFACT_CACHE: '',
      RMR1_ORACLE_URL: this.oracle.baseUrl,
      RMR1_HEARTBEAT_SECONDS: String(HEARTBEAT_SECONDS),
      ...extra,
    };
  }

  async startOracle(
    args: readonly string[] = [],
    env: Record<string, string | undefined> = {},
  ): Promise<TestOracle> {
    const process = await this.spawn('oracle', 'dist/infra/oracle/main.js', ['--port', '0', ...args], env);
    const { baseUrl } = process.ready as { baseUrl: string };
    const at = (path: string) => new URL(path, baseUrl);
    return {
      baseUrl,
      process,
      stats: async () => (await (await fetch(at('/stats'))).json()) as OracleStats,
      faults: async (...faults) => {
        await fetch(at('/faults'), { method: 'DELETE' });
        for (const fault of faults) {
          const answer = await fetch(at('/faults'), { method: 'POST', body: JSON.stringify(fault) });
          if (!answer.ok) throw new Error(`The oracle refused the fault: ${await answer.text()}`);
        }
      },
    };
  }

  /** One more worker for all queues, ready to work. */
  async startWorker(extra: Record<string, string | undefined> = {}): Promise<SpawnedProcess> {
    const worker = await this.spawn(
      'worker',
      'dist/workers/main.js',
      [],
      this.environment({ ...this.workerVariables, ...extra }),
    );
    this.workers.push(worker);
    return worker;
  }

  /** The newest worker; a new one where none runs. */
  async ensureWorker(extra: Record<string, string | undefined> = {}): Promise<SpawnedProcess> {
    return this.workers.findLast((worker) => isRunning(worker)) ?? this.startWorker(extra);
  }

  /** Orderly: trainers save a last checkpoint. */
  async stopWorkers(): Promise<void> {
    for (const worker of this.workers.splice(0)) await stopGroup(worker, 60_000);
  }

  /** Orderly, all but the newest. */
  async retireWorkers(): Promise<void> {
    for (const worker of this.workers.splice(0, this.workers.length - 1)) await stopGroup(worker, 60_000);
  }

  /** −9 for the newest worker alone: what it started has to see to its own end. */
  killWorker(): SpawnedProcess {
    const worker = this.workers.at(-1);
    if (!worker) throw new Error('No worker runs.');
    process.kill(worker.pid, 'SIGKILL');
    return worker;
  }

  /** Trainers at work. */
  trainers(): SeenProcess[] {
    return allProcesses().filter(
      ({ command }) => command.includes('dist/engine/main.js') && command.includes(this.home),
    );
  }

  /** A trainer, as soon as there is one, other than the one with `notPid`. */
  trainer(notPid?: number): Promise<SeenProcess> {
    return until('a trainer', () => this.trainers().find(({ pid }) => pid !== notPid));
  }

  start(type: string, input: unknown, workflowId: string) {
    return this.client.workflow.start<typeof trainRewardModel>(type, {
      taskQueue: temporalConfig.taskQueues.orchestration,
      workflowId,
      args: [input as TrainRewardModelInput],
    });
  }

  /** Progress of a run; undefined while server or worker are away. */
  async progress(workflowId: string): Promise<RunProgress | undefined> {
    try {
      return await this.client.connection.withDeadline(Date.now() + 5_000, () =>
        this.client.workflow.getHandle(workflowId).query(progressQuery),
      );
    } catch {
      return undefined;
    }
  }

  /** The newest complete checkpoint of the one unfinished stage `stage`, from step `least` on. */
  checkpointFrom(stageKey: string, least: number): Promise<number> {
    return until(`a checkpoint at step ${least} or later`, async () => {
      const step = (await this.store.latestCheckpoint(stageKey).catch(() => undefined))?.step;
      return step !== undefined && step >= least ? step : undefined;
    });
  }

  /** As if no run had ever reached this stage: its manifest, checkpoints and lease are gone, its objects stay. */
  async forget(stage: string): Promise<void> {
    for (const manifest of await this.store.listKeys(`manifests/${stage}/`)) {
      const key = manifest.slice(manifest.lastIndexOf('/') + 1, -'.json'.length);
      const records = [...(await this.store.listKeys(`checkpoints/${key}/`)), `leases/${key}.json`, manifest];
      for (const record of records) await this.store.deleteJson(record);
    }
  }

  /** All that is left of the runs so far, as text: logs, histories of all workflows, objects of the bucket. */
  async *leftovers(): AsyncGenerator<{ name: string; text: string }> {
    for (const name of await readdir(join(this.home, 'logs')))
      yield { name, text: await readFile(join(this.home, 'logs', name), 'latin1') };
    for await (const { workflowId, runId } of this.client.workflow.list()) {
      const history = await this.client.workflow.getHandle(workflowId, runId).fetchHistory();
      const bytes = proto.temporal.api.history.v1.History.encode(history).finish();
      yield { name: `history of ${workflowId}`, text: Buffer.from(bytes).toString('latin1') };
    }
    const client = createS3Client(this.s3.settings);
    const Bucket = this.s3.settings.bucket;
    for (const Key of await this.store.listKeys('')) {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
      yield { name: Key, text: (await Body?.transformToString('latin1')) ?? '' };
    }
    client.destroy();
  }

  /** Ends everything, in reverse order, and removes the home. */
  async stop(): Promise<void> {
    await this.client.connection.close().catch(() => undefined);
    await this.stopWorkers();
    for (const process of this.spawned.reverse()) await stopGroup(process, 5_000);
    this.store.close();
    await Promise.all([this.temporal.stop(), this.s3.stop()]);
    if (!process.env['RMR1_KEEP_TEST_HOME']) await rm(this.home, { recursive: true, force: true });
  }

  private async spawn(
    name: string,
    entry: string,
    args: readonly string[],
    env: Record<string, string | undefined>,
  ): Promise<SpawnedProcess & { ready: unknown }> {
    const id = `${name}-${++this.serial}`;
    await mkdir(join(this.home, 'run'), { recursive: true });
    const readyFile = join(this.home, 'run', `${id}.ready.json`);
    const process = await spawnDetached({
      name: id,
      command: globalThis.process.execPath,
      args: ['--enable-source-maps', join(projectRoot(), entry), ...args],
      env: cleanEnvironment({ ...env, RMR1_READY_FILE: readyFile }),
      logFile: join(this.home, 'logs', `${id}.log`),
    });
    this.spawned.push(process);
    const ready = await until(
      `${id} to be ready (see ${this.home}/logs)`,
      () => readJsonFile(readyFile),
      180,
    );
    return { ...process, ready };
  }
}
