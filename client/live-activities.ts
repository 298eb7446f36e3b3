/** What Temporal says of a stage's pending activities: that no worker has taken them, or that an earlier attempt failed. */
import type { WorkflowExecutionDescription } from '@temporalio/client';
import proto from '@temporalio/proto';
import type { RunProgress, StageProgress } from '../workflows/messages.js';

/** Pending activities as `describe` shows them. */
export type PendingActivities = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>;

/** What clients add to a running stage. */
export type Standing = Pick<StageProgress, 'waits' | 'again'>;

const { PENDING_ACTIVITY_STATE_SCHEDULED } = proto.temporal.api.enums.v1.PendingActivityState;
/** A worker that is free takes an activity at once. */
const SOON_MS = 5_000;

/** `progress` with how its current stage stands. */
export function withStanding(progress: RunProgress, standing: Standing): RunProgress {
  const stages = progress.stages.map((stage) =>
    stage.name === progress.stage && stage.state === 'running' ? { ...stage, ...standing } : stage,
  );
  return { ...progress, stages };
}

/** Waiting: every activity, for some seconds. Again: the activity with most attempts, and what ended the one before. */
export function standingOf(pending: PendingActivities | null | undefined, now: number): Standing {
  if (!pending?.length) return {};
  const since = Math.max(...pending.map(({ scheduledTime }) => 1000 * Number(scheduledTime?.seconds ?? 0)));
  const waits =
    pending.every(({ state }) => state === PENDING_ACTIVITY_STATE_SCHEDULED) &&
    since > 0 &&
    now - since >= SOON_MS;
  const [most] = [...pending].sort((a, b) => (b.attempt ?? 1) - (a.attempt ?? 1));
  const { attempt, lastFailure } = most!;
  return {
    ...(waits ? { waits: 'waits for a free worker (rmr1 runs: what else runs)' } : {}),
    ...(attempt && attempt > 1 && lastFailure?.message
      ? { again: { attempt, after: lastFailure.message } }
      : {}),
  };
}
