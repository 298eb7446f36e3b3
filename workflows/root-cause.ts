/** The error behind Temporal's wrappers. */
import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowFailure,
  TimeoutFailure,
} from '@temporalio/workflow';

/** Unwrap activity and child failures down to the first cause with a type and a sentence for people. */
export function rootCause(error: unknown): { type: string; message: string } {
  let cause = error;
  while ((cause instanceof ActivityFailure || cause instanceof ChildWorkflowFailure) && cause.cause)
    cause = cause.cause;
  if (cause instanceof ApplicationFailure) return { type: cause.type ?? 'Unknown', message: cause.message };
  if (cause instanceof TimeoutFailure) {
    return {
      type: 'Timeout',
      message: `An activity did not finish in time (${cause.timeoutType}): is a worker for its task queue running?`,
    };
  }
  return { type: 'Unknown', message: cause instanceof Error ? cause.message : String(cause) };
}

/** The failure a person should read on the page of the workflow: the cause itself, not 'Activity task failed'. */
export function surfaced(error: unknown): ApplicationFailure {
  const { type, message } = rootCause(error);
  return ApplicationFailure.create({ message, type, nonRetryable: true });
}
