/** Watch a run on the screen until it ends, waits for a person, or the user has seen enough. */
import type { RunProgress, RunResult } from '../workflows/messages.js';
import { ClientError } from './errors.js';
import { EXIT, exitCodeOf } from './exit-codes.js';
import { openDisplay } from './progress/display.js';
import { noteOf } from './progress/block.js';
import type { RunHandle } from './run-handle.js';

export interface FollowOptions {
  json: boolean;
  signal: AbortSignal;
  /** Keep watching while the run waits for a correction. */
  waitForCorrection?: boolean;
  onProgress?: (progress: RunProgress) => void;
}

export type Followed =
  | { end: 'completed'; result: RunResult }
  /** The run goes on without us. */
  | { end: 'aborted' };

/**
 * @throws ClientError with the type of the failure that ended the run, or of the problem that it waits to have
 * corrected; exit codes follow from it.
 */
export async function follow(run: RunHandle, options: FollowOptions): Promise<Followed> {
  const { json, signal, waitForCorrection = false } = options;
  const display = openDisplay({ json });
  try {
    for await (const progress of run.watch({ signal })) {
      display.show(progress);
      options.onProgress?.(progress);
      if (progress.state === 'awaiting-correction' && !waitForCorrection) throw waiting(progress);
    }
  } finally {
    display.close();
  }
  if (signal.aborted) return { end: 'aborted' };
  const result = await run.result();
  if (result.state === 'rejected') {
    throw new ClientError('RunRejected', `${run.workflowId} was rejected at a gate.`);
  }
  return { end: 'completed', result };
}

function waiting(progress: RunProgress): ClientError {
  const type = progress.problem?.type ?? 'RunFailed';
  // A run that waits is not a failed one, whatever it stumbled over.
  const code = exitCodeOf(type);
  const says = code !== EXIT.runFailed && code !== EXIT.unexpected;
  return new ClientError(says ? type : 'RunWaits', noteOf(progress) ?? 'The run waits for a correction.');
}
