/** The engine as a supervised child process: own process group, events over IPC, a deadline for silence. */
import { activityInfo, asyncLocalStorage } from '@temporalio/activity';
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, type WriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type EngineCommand,
  type EngineEvent,
  type EngineJob,
  EXIT,
  SUPERVISOR_SILENCE,
} from '../../engine/job.js';
import { TRACEPARENT } from '../../engine/trace/trainer-span.js';
import { projectRoot } from '../../infra/environment.js';
import { traceparent, trainerSpans } from '../../infra/tracing/trainer-spans.js';
import { UserError } from '../../workflows/errors.js';

/** No event for this long means that the engine hangs; loading and the first graph are the longest quiet times. */
const SILENCE_MS = 15 * 60_000;
/** After a request to stop: time for the running step and a last checkpoint. */
const STOP_GRACE_MS = 120_000;

export type EngineEnd = { status: 'done'; dir: string; step: number } | { status: 'preempted' };

export interface EngineRun {
  /** Resolves when the process has ended well; rejects with a `UserError` otherwise. */
  ended: Promise<EngineEnd>;
  /** Ask for a last checkpoint and the end; kills the process group when that takes too long. */
  stop: () => void;
  pid: number | undefined;
}

/**
 * Start the engine on `job` in `dir` (job file and log lie there).
 * `onEvent` is called in order; errors it throws end the run.
 */
export async function startEngine(
  job: EngineJob,
  dir: string,
  onEvent: (event: EngineEvent) => void,
): Promise<EngineRun> {
  await mkdir(dir, { recursive: true });
  const jobFile = join(dir, 'job.json');
  await writeFile(jobFile, JSON.stringify(job, null, 2));
  const child = spawn(process.execPath, [join(projectRoot(), 'dist/engine/main.js'), jobFile], {
    // A group of its own, so that a kill reaches whatever the engine started.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: engineEnvironment(),
  });
  const log = keepLog(child, join(dir, 'engine.log'));
  let lastWords = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    lastWords = (lastWords + chunk.toString()).slice(-2000);
    log.write(chunk);
  });
  return supervise(child, job.kind, onEvent, () => lastWords);
}

/** What the engine writes, in a file. That the file cannot be written, as on a full disk, ends no training. */
function keepLog(child: ChildProcess, path: string): WriteStream {
  const log = createWriteStream(path, { flags: 'a' });
  // Read on, or the engine would wait for a reader once its pipe is full.
  log.on('error', () => child.stdout?.resume());
  child.stdout?.pipe(log, { end: false });
  child.on('close', () => log.end());
  return log;
}

/** The engine needs no secrets: it gets none. */
function engineEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR, LANG, NODE_OPTIONS, RMR1_CRASH_POINTS } = process.env;
  const traced = traceparent();
  return {
    ...{ PATH, HOME, TMPDIR, LANG, NODE_OPTIONS },
    ...(RMR1_CRASH_POINTS ? { RMR1_CRASH_POINTS } : {}),
    ...(traced ? { [TRACEPARENT]: traced } : {}),
    [SUPERVISOR_SILENCE]: String(supervisorSilenceMs()),
  };
}

/**
 * How long an engine works on without a word of its supervisor: half the time after which the server gives the stage
 * to another worker, so that a worker that only stands still never has two trainers at work.
 */
function supervisorSilenceMs(): number {
  const timeout = asyncLocalStorage.getStore() ? activityInfo().heartbeatTimeoutMs : undefined;
  return (timeout ?? 30_000) / 2;
}

function supervise(
  child: ChildProcess,
  kind: string,
  onEvent: (event: EngineEvent) => void,
  lastWords: () => string,
): EngineRun {
  let end: Extract<EngineEvent, { type: 'done' }> | undefined;
  let failure: Extract<EngineEvent, { type: 'failed' }>['error'] | undefined;
  let fault: Error | undefined;
  let silence: NodeJS.Timeout | undefined;
  let killer: NodeJS.Timeout | undefined;
  const kill = () => killGroup(child);
  const trace = trainerSpans();
  const sign = setInterval(() => {
    if (child.connected) child.send({ type: 'alive' } satisfies EngineCommand, () => undefined);
  }, supervisorSilenceMs() / 5).unref();
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => {
      fault = new UserError(
        'TrainerLost',
        `The ${kind} engine was silent for ${SILENCE_MS / 60_000} minutes and was killed.`,
      );
      kill();
    }, SILENCE_MS);
  };
  heard();

  child.on('message', (message) => {
    heard();
    const event = message as EngineEvent;
    if (event.type === 'span') return trace(event.span);
    if (event.type === 'done') end = event;
    if (event.type === 'failed') failure = event.error;
    try {
      onEvent(event);
    } catch (error) {
      fault = error as Error;
      kill();
    }
  });

  const ended = new Promise<EngineEnd>((resolve, reject) => {
    child.on('error', (error) =>
      reject(new UserError('TrainerLost', `The engine could not be started: ${error.message}`)),
    );
    child.on('close', (code, signal) => {
      clearTimeout(silence);
      clearTimeout(killer);
      clearInterval(sign);
      if (fault) reject(fault);
      else if (code === EXIT.done && end) resolve({ status: 'done', dir: end.dir, step: end.step });
      else if (code === EXIT.preempted) resolve({ status: 'preempted' });
      else reject(endError(kind, code, signal, failure, lastWords()));
    });
  });
  // The caller awaits `ended` later; until then a rejection is not unhandled.
  ended.catch(() => undefined);

  return {
    ended,
    pid: child.pid,
    stop: () => {
      if (child.connected) child.send({ type: 'stop' }, () => undefined);
      killer ??= setTimeout(kill, STOP_GRACE_MS);
    },
  };
}

/** The process group is gone when this returns or does not exist any more. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Exit table → error type: 64 and 65 are never retried, a full disk waits for a person, all else resumes. */
function endError(
  kind: string,
  code: number | null,
  signal: NodeJS.Signals | null,
  failure: { type: string; message: string } | undefined,
  lastWords: string,
): UserError {
  const said = failure?.message ?? lastWords.trim().split('\n').slice(-3).join(' ');
  if (failure?.type === 'DiskFull') return new UserError('DiskFull', failure.message);
  if (code === EXIT.badJob || code === EXIT.badData) {
    return new UserError('TrainerRefused', `The ${kind} job cannot work: ${said}`);
  }
  const how = signal ? `was killed by ${signal}` : `ended with code ${code}`;
  return new UserError(
    'TrainerLost',
    `The ${kind} engine ${how}${said ? `: ${said}` : ''}. It resumes from its newest checkpoint.`,
  );
}
