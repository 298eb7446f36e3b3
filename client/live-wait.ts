/** Why a stage that should be running stands still: what Temporal says of activities that no worker has taken. */
import type { WorkflowExecutionDescription } from '@temporalio/client';
import proto from '@temporalio/proto';
import type { RunProgress } from '../workflows/messages.js';

/** Pending activities as `describe` shows them. */
export type PendingActivities = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>;

const { PENDING_ACTIVITY_STATE_SCHEDULED } = proto.temporal.api.enums.v1.PendingActivityState;
/** A worker that is free takes an activity at once. */
const SOON_MS = 5_000;

/** `progress` with the reason why its current stage waits. */
export function withWait(progress: RunProgress, waits: string | undefined): RunProgress {
  if (waits === undefined) return progress;
  const stages = progress.stages.map((stage) =>
    stage.name === progress.stage && stage.state === 'running' ? { ...stage, waits } : stage,
  );
  return { ...progress, stages };
}

/** The reason in words, where every one of the activities has been waiting for a worker for some seconds. */
export function waitOf(pending: PendingActivities | null | undefined, now: number): string | undefined {
  if (!pending?.length) return undefined;
  if (!pending.every(({ state }) => state === PENDING_ACTIVITY_STATE_SCHEDULED)) return undefined;
  const since = Math.max(...pending.map(({ scheduledTime }) => 1000 * Number(scheduledTime?.seconds ?? 0)));
  if (since === 0 || now - since < SOON_MS) return undefined;
  const failure = pending.find(({ lastFailure }) => lastFailure)?.lastFailure?.message;
  return failure
    ? `waits for its next attempt: ${failure}`
    : 'waits for a free worker (rmr1 runs: what else runs)';
}
