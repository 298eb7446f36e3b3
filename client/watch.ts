/** Follow a run by polling: queries leave nothing in its history. */
import { setTimeout as delay } from 'node:timers/promises';
import type { RunProgress } from '../workflows/messages.js';
import { isClientError } from './errors.js';
import type { RunStatus } from './run-handle.js';

/** How often to look, and for how long to put up with silence. */
export interface WatchOptions {
  /** Milliseconds between two looks. Default 1,000. */
  intervalMs?: number;
  /** How long server or worker may stay silent before watching gives up. Default 60,000 ms. */
  patienceMs?: number;
  /** Ends the iteration, without an error. */
  signal?: AbortSignal;
}

/** The part of a run handle that watching needs. */
export interface Watchable {
  progress(): Promise<RunProgress>;
  status(): Promise<RunStatus>;
}

/** Yields each state that differs from the one before, the last one after the run has closed. */
export async function* watchRun(
  run: Watchable,
  { intervalMs = 1_000, patienceMs = 60_000, signal }: WatchOptions = {},
): AsyncGenerator<RunProgress> {
  let shown = '';
  let silentSince: number | undefined;
  while (!signal?.aborted) {
    try {
      const { status } = await run.status();
      // Looked at after the status, so that a closed run is seen in its last state.
      const progress = await run.progress();
      silentSince = undefined;
      const seen = JSON.stringify(progress);
      if (seen !== shown) {
        shown = seen;
        yield progress;
      }
      if (status !== 'RUNNING' && status !== 'PAUSED') return;
    } catch (error) {
      if (!isSilence(error)) throw error;
      silentSince ??= Date.now();
      if (Date.now() - silentSince > patienceMs) {
        if (isClientError(error, 'WorkerMissing') && (await hasClosed(run))) return;
        throw error;
      }
    }
    await delay(intervalMs, undefined, signal ? { signal } : {}).catch(() => undefined);
  }
}

function isSilence(error: unknown): boolean {
  return isClientError(error, 'WorkerMissing') || isClientError(error, 'TemporalUnreachable');
}

async function hasClosed(run: Watchable): Promise<boolean> {
  const { status } = await run.status().catch(() => ({ status: 'UNKNOWN' }));
  return status !== 'RUNNING' && status !== 'UNKNOWN';
}
