/**
 * Worker process: `node dist/workers/main.js [orchestration|oracle|training …]`; without names it serves all queues.
 * SIGTERM and SIGINT: training saves a last checkpoint and hands its activity back; then the process ends.
 */
import {
  Runtime,
  DefaultLogger,
  makeTelemetryFilterString,
  NativeConnection,
  Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import { Client, Connection } from '@temporalio/client';
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  ioActivities,
  judgingActivities,
  oracleActivities,
  trainingActivities,
} from '../activities/index.js';
import { registryActivities } from '../activities/registry/index.js';
import { storeFromEnvironment } from '../activities/artifacts/store.js';
import { temporalTarget } from '../infra/temporal-target.js';
import { encryptingConverter } from '../infra/payload-encryption.js';
import { startTracing } from '../infra/tracing/start.js';
import { temporalConfig } from '../temporal.config.js';
import { bundleWorkflows } from './bundle-workflows.js';
import { CrashPoints } from './crash-points.js';
import { deploymentOptions } from './deployment-options.js';
import { logger } from './logger.js';
import { metricsOptions, watchQueues } from './metrics.js';
import { keepHeapSmall } from './small-heap.js';
import { SteadyHeartbeats } from './steady-heartbeats.js';
import { NO_TRACES, workerTracing, type WorkerTracing } from './tracing.js';
import { TypedFailures } from './typed-failures.js';

const KINDS = ['orchestration', 'oracle', 'training'] as const;
type Kind = (typeof KINDS)[number];
/** For the last spans, when a worker stops. */
const LAST_SPANS_MS = 5_000;

async function main(names: string[]): Promise<void> {
  const unknown = names.filter((name) => !KINDS.includes(name as Kind));
  if (unknown.length > 0) throw new Error(`Unknown worker kind '${unknown[0]}'. Kinds: ${KINDS.join(', ')}.`);
  const kinds = names.length > 0 ? (names as Kind[]) : [...KINDS];

  keepHeapSmall();
  Runtime.install({
    // Signals are handled below: `Runtime` would otherwise shut down before the trainer has saved.
    shutdownSignals: [],
    logger: new DefaultLogger('WARN', ({ level, message, meta }) => {
      logger[level === 'ERROR' ? 'error' : level === 'WARN' ? 'warn' : 'info'](meta ?? {}, message);
    }),
    telemetryOptions: {
      ...metricsOptions(),
      logging: { filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }), forward: {} },
    },
  });
  const tracing = await startTracing('worker', (why) => logger.warn({ why }, 'traces are not delivered'));
  const traced = tracing && (await workerTracing(tracing));
  const { address, namespace, credentials } = temporalTarget();
  const converting = encryptingConverter();
  const native = await NativeConnection.connect({ address, ...credentials });
  const connection = await Connection.connect({ address, ...credentials });
  const store = storeFromEnvironment();
  const dependencies = { store, client: new Client({ connection, namespace, ...converting }) };

  const place = { connection: native, namespace, ...converting };
  const workers = await Promise.all(kinds.map((kind) => createWorker(kind, place, dependencies, traced)));
  const stop = (signal: string) => {
    logger.info({ signal }, 'worker stops');
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal));
  // `rmr1 worker` holds the other end of a channel: killed, even while this started, it leaves no worker behind.
  process.on('disconnect', () => stop('disconnect'));
  if (process.connected === false) return;
  logger.info({ kinds, address, namespace }, 'worker runs');
  const readyFile = process.env.RMR1_READY_FILE;
  if (readyFile) writeFileSync(readyFile, JSON.stringify({ pid: process.pid, kinds }));
  const unwatch = watchQueues(dependencies.client);
  try {
    await Promise.all(workers.map((worker) => worker.run()));
  } finally {
    unwatch();
    await tracing?.flush(LAST_SPANS_MS);
    await connection.close();
    await native.close();
    store.close();
  }
}

async function createWorker(
  kind: Kind,
  place: Pick<WorkerOptions, 'connection' | 'namespace' | 'dataConverter'>,
  dependencies: Parameters<typeof ioActivities>[0],
  traced: WorkerTracing | undefined,
): Promise<Worker> {
  const common = {
    ...place,
    ...deploymentOptions(),
    taskQueue: temporalConfig.taskQueues[kind],
    interceptors: {
      activity: [
        ...(traced?.activity ?? []),
        () => ({ inbound: new TypedFailures() }),
        () => ({ inbound: new CrashPoints() }),
      ],
    },
  };
  if (kind === 'orchestration') {
    return Worker.create({
      ...common,
      workflowBundle: await workflowCode(),
      sinks: traced?.sinks ?? NO_TRACES,
      activities: {
        ...ioActivities(dependencies),
        ...registryActivities(dependencies.store, dependencies.client),
      },
      interceptors: {
        activity: [...common.interceptors.activity, () => ({ inbound: new SteadyHeartbeats() })],
      },
    });
  }
  if (kind === 'oracle') {
    return Worker.create({
      ...common,
      activities: { ...oracleActivities(dependencies), ...judgingActivities(dependencies) },
      maxHeartbeatThrottleInterval: '5 seconds',
    });
  }
  return Worker.create({
    ...common,
    activities: { ...trainingActivities(dependencies), ...judgingActivities(dependencies) },
    // A trainer takes the whole machine.
    maxConcurrentActivityTaskExecutions: 1,
    maxHeartbeatThrottleInterval: '2 seconds',
    defaultHeartbeatThrottleInterval: '2 seconds',
  });
}

/** The bundle made by the build, so that a worker starts at once; without it the workflows are bundled here. */
async function workflowCode(): Promise<WorkerOptions['workflowBundle']> {
  const bundle = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));
  return existsSync(bundle) ? { codePath: bundle } : bundleWorkflows();
}

main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error: unknown) => {
    logger.error({ error: error instanceof Error ? error.message : String(error) }, 'worker failed');
    process.exit(1);
  },
);
