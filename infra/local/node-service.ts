import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { InfraError, throwIfAborted } from './errors.js';
import { readJsonFile } from './json-file.js';
import { isRunning, spawnDetached, stopGroup, type ProcessExit, type ProcessRef } from './process.js';
import { StackFile, type ServiceRecord } from './stack-file.js';

/** Names the file a service writes (JSON, e.g. `{"baseUrl": "http://…"}`) once it can be used. */
const READY_FILE_VARIABLE = 'RMR1_READY_FILE';
const READY_TIMEOUT_MS = 60_000;

export interface NodeServiceOptions {
  /** Unique in the stack, e.g. `worker-training`. */
  name: string;
  /** JavaScript file to run. */
  entry: string;
  args?: readonly string[];
  /** Added to this process's environment. */
  env?: NodeJS.ProcessEnv;
  home: string;
  /** Wait until the service has written its ready file. Default false: started means spawned. */
  waitReady?: boolean;
  readyTimeoutMs?: number;
  signal?: AbortSignal | undefined;
}

export interface NodeService {
  record: ServiceRecord;
  /** False where a live service of that name was found and left running. */
  started: boolean;
  /** Settles when the process ends; only for one started by this call. */
  exited?: Promise<ProcessExit>;
  stop(graceMs?: number): Promise<void>;
}

/**
 * Starts a Node program as part of the stack: in its own process group, logging to `<home>/logs/<name>.log`,
 * noted in `stack.json` so that `down` ends it. A service of that name that still runs is left as it is.
 *
 * @throws InfraError `ServerFailed` if it exits or stays silent before it is ready.
 */
export async function startNodeService(options: NodeServiceOptions): Promise<NodeService> {
  const { name, entry, home, signal } = options;
  throwIfAborted(signal);
  const file = new StackFile(home);
  const noted = (await file.read()).services.find((service) => service.name === name);
  if (noted && isRunning(noted)) {
    return { record: noted, started: false, stop: (graceMs) => stopService(file, noted, graceMs) };
  }
  // Children of a service that crashed may still run in its group.
  if (noted) await stopService(file, noted);

  const readyFile = join(home, 'run', `${name}.ready.json`);
  await mkdir(join(home, 'run'), { recursive: true });
  await rm(readyFile, { force: true });
  const logFile = join(home, 'logs', `${name}.log`);
  const child = await spawnDetached({
    name,
    command: process.execPath,
    args: ['--enable-source-maps', entry, ...(options.args ?? [])],
    env: { ...process.env, ...options.env, RMR1_HOME: home, [READY_FILE_VARIABLE]: readyFile },
    logFile,
  });
  const record: ServiceRecord = {
    name,
    entry,
    logFile,
    ports: [],
    pid: child.pid,
    startedAt: child.startedAt,
  };
  await note(file, record);
  try {
    if (options.waitReady) {
      record.ready = await readiness(readyFile, options, child.exited, logFile);
      await note(file, record);
    }
  } catch (error) {
    await stopService(file, record);
    throw error;
  }
  return {
    record,
    started: true,
    exited: child.exited,
    stop: (graceMs) => stopService(file, record, graceMs),
  };
}

/** Ends a service and forgets it. */
export async function stopService(file: StackFile, record: ServiceRecord, graceMs?: number): Promise<void> {
  await stopGroup(record satisfies ProcessRef, graceMs);
  await file.update((state) => {
    state.services = state.services.filter(({ pid, name }) => pid !== record.pid || name !== record.name);
  });
}

async function note(file: StackFile, record: ServiceRecord): Promise<void> {
  await file.update((state) => {
    state.services = [...state.services.filter(({ name }) => name !== record.name), record];
  });
}

async function readiness(
  readyFile: string,
  { name, readyTimeoutMs = READY_TIMEOUT_MS, signal }: NodeServiceOptions,
  exited: Promise<ProcessExit>,
  logFile: string,
): Promise<unknown> {
  const deadline = Date.now() + readyTimeoutMs;
  const exit = exited.then((how) => ({ how }));
  for (;;) {
    throwIfAborted(signal);
    const said = await readJsonFile(readyFile);
    if (said !== undefined) return said;
    const ended = await Promise.race([exit, delay(25, undefined)]);
    if (ended) {
      const how = ended.how.signal ?? `code ${ended.how.code}`;
      throw new InfraError('ServerFailed', `${name} ended (${how}) while starting. Its log is ${logFile}.`);
    }
    if (Date.now() > deadline) {
      throw new InfraError(
        'ServerFailed',
        `${name} was not ready within ${readyTimeoutMs / 1000} s. Its log is ${logFile}.`,
      );
    }
  }
}
