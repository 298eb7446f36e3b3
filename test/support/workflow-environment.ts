/** A Temporal dev server for workflow tests, with our search attributes, and workers that run fake activities. */
import { TestWorkflowEnvironment } from '@temporalio/testing';
import {
  bundleWorkflowCode,
  Worker,
  type WorkerOptions,
  type WorkflowBundle,
  type WorkflowBundleOption,
  Runtime,
  DefaultLogger,
} from '@temporalio/worker';
import { SearchAttributeType } from '@temporalio/common';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, inject } from 'vitest';
import { resolveBinary } from '../../infra/local/binaries.js';
import { temporalConfig } from '../../temporal.config.js';
import type { RegistryActivities } from '../../activities/registry/interface.js';
import type { AllActivities } from './fake-activities.js';
import { until } from './until.js';

/** Start once per test file. */
export async function startEnvironment(
  server: { ui?: boolean; uiPort?: number } = {},
): Promise<TestWorkflowEnvironment> {
  const { path } = await resolveBinary('temporal');
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  return TestWorkflowEnvironment.createLocal({
    server: {
      ...server,
      executable: { type: 'existing-path', path },
      searchAttributes: Object.entries(temporalConfig.searchAttributes).map(([name, type]) => ({
        name,
        type: SearchAttributeType[type],
      })),
    },
  });
}

/** A server whose clock jumps over timers while nothing else is to be done; it knows no search attributes. */
export async function startTimeSkipping(): Promise<TestWorkflowEnvironment> {
  const { path } = await resolveBinary('temporal-test-server');
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  return TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path } },
  });
}

let bundle: Promise<WorkflowBundleOption> | undefined;

/** Bundling takes seconds: once for all files where they share a folder (`shared-folder.ts`), else once per process. */
export function workflowBundle(): Promise<WorkflowBundleOption> {
  const folder = inject('sharedFolder');
  return (bundle ??= folder ? sharedBundle(folder) : bundleOf(WORKFLOWS));
}

const WORKFLOWS = '../../workflows/index.ts';

/** The first file that comes bundles; the others wait for it, and the next of them tries again where it failed. */
function sharedBundle(folder: string): Promise<WorkflowBundleOption> {
  const codePath = join(folder, 'workflows.js');
  const claim = join(folder, 'workflows.claim');
  return until('the bundle of the workflows', async () => {
    if (existsSync(codePath)) return { codePath };
    const mine = await mkdir(claim).then(
      () => true,
      () => false,
    );
    if (!mine) return undefined;
    try {
      const { code } = await bundleOf(WORKFLOWS);
      const part = join(folder, randomUUID());
      await writeFile(part, code);
      await rename(part, codePath);
      return { codePath };
    } finally {
      await rm(claim, { recursive: true });
    }
  });
}

/** Workflows exported by another module, named as seen from here. */
export function bundleOf(module: string): Promise<WorkflowBundle> {
  return bundleWorkflowCode({
    workflowInterceptorModules: [fileURLToPath(new URL('../../workflows/tracing.ts', import.meta.url))],
    workflowsPath: fileURLToPath(new URL(module, import.meta.url)),
    logger: new DefaultLogger('ERROR'),
    webpackConfigHook: (config) => {
      config.resolve = { ...config.resolve, extensionAlias: { '.js': ['.ts', '.js'] } };
      return config;
    },
  });
}

/** Ends of the workers that run now. */
const ends = new Set<() => Promise<unknown>>();

// Workers of a test that ran out of time would take the tasks of every later one.
afterEach(async () => {
  await Promise.all([...ends].map((end) => end()));
});

interface Kept {
  maxCachedWorkflows: number;
  worker: Worker;
  running: Promise<void>;
}

/** Workers for workflows alone: making one takes half a second of processor time, and tests do not need their own. */
const kept = new WeakMap<TestWorkflowEnvironment, Kept>();

async function keepWorkflowWorker(
  environment: TestWorkflowEnvironment,
  maxCachedWorkflows: number,
): Promise<void> {
  if (kept.get(environment)?.maxCachedWorkflows === maxCachedWorkflows) return;
  await endWorkflowWorker(environment);
  const worker = await Worker.create({
    connection: environment.nativeConnection,
    taskQueue: temporalConfig.taskQueues.orchestration,
    workflowBundle: await workflowBundle(),
    maxCachedWorkflows,
  });
  kept.set(environment, { maxCachedWorkflows, worker, running: worker.run() });
  // The environment cannot go while a worker holds its connection.
  const teardown = environment.teardown.bind(environment);
  environment.teardown = () => endWorkflowWorker(environment).then(teardown);
}

/** Nobody takes tasks of workflows any more: one with a test's own options, say, would have to share them. */
export async function endWorkflowWorker(environment: TestWorkflowEnvironment): Promise<void> {
  const { worker, running } = kept.get(environment) ?? {};
  kept.delete(environment);
  worker?.shutdown();
  await running;
}

/**
 * Run `use` while workers for all task queues serve `activities`. `maxCachedWorkflows: 0` replays every task; `options`
 * are for all of them. Ends those with activities in an orderly way, as SIGTERM does; the one for workflows is kept for
 * the next test.
 */
export async function withWorkers<T>(
  environment: TestWorkflowEnvironment,
  activities: AllActivities & Partial<RegistryActivities>,
  maxCachedWorkflows: number,
  use: () => Promise<T>,
  options?: Partial<WorkerOptions>,
): Promise<T> {
  const common = { connection: environment.nativeConnection, activities, ...options };
  const { orchestration, oracle, training } = temporalConfig.taskQueues;
  if (options) await endWorkflowWorker(environment);
  else await keepWorkflowWorker(environment, maxCachedWorkflows);
  const workers = await Promise.all([
    Worker.create({
      ...common,
      taskQueue: orchestration,
      ...(options ? { workflowBundle: await workflowBundle(), maxCachedWorkflows } : {}),
    }),
    Worker.create({ ...common, taskQueue: oracle, maxHeartbeatThrottleInterval: '500ms' }),
    Worker.create({ ...common, taskQueue: training, maxHeartbeatThrottleInterval: '500ms' }),
  ]);
  const running = workers.map((worker) => worker.run());
  let ending: Promise<unknown> | undefined;
  const end = () => {
    if (!ending) for (const worker of workers) worker.shutdown();
    return (ending ??= Promise.all(running).finally(() => ends.delete(end)));
  };
  ends.add(end);
  try {
    return await use();
  } finally {
    await end();
  }
}
