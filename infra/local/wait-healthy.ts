import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { InfraError, isInfraError, throwIfAborted } from './errors.js';
import type { SpawnedProcess } from './process.js';

const LOG_LINES = 5;

export interface HealthWait {
  /** For messages, e.g. "Temporal". */
  title: string;
  process: SpawnedProcess;
  logFile: string;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** One real call; throws while the server is not ready. */
  probe: () => Promise<void>;
}

/**
 * Waits until a real call to a new server succeeds.
 *
 * @throws InfraError `ServerFailed` with the end of its log if it exits or stays silent.
 */
export async function waitHealthy(wait: HealthWait): Promise<void> {
  const { title, process, logFile, timeoutMs, signal, probe } = wait;
  const deadline = Date.now() + timeoutMs;
  const exit = process.exited.then((how) => ({ how }));
  for (;;) {
    throwIfAborted(signal);
    const failure = await probe().then(
      () => undefined,
      (error: unknown) => error as Error,
    );
    if (!failure) return;
    if (isInfraError(failure, 'SearchAttributes')) throw failure;
    const ended = await Promise.race([exit, delay(50, undefined)]);
    if (ended) {
      const how = ended.how.signal ?? `code ${ended.how.code}`;
      throw new InfraError(
        'ServerFailed',
        `${title} ended (${how}) while starting: ${await tail(logFile)} The whole log is ${logFile}.`,
      );
    }
    if (Date.now() > deadline) {
      throw new InfraError(
        'ServerFailed',
        `${title} did not answer within ${timeoutMs / 1000} s (${failure.message}). Its log is ${logFile}.`,
        { cause: failure },
      );
    }
  }
}

async function tail(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const lines = text.trim().split('\n').slice(-LOG_LINES);
  return lines.join(' | ');
}
