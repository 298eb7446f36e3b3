/** What workflows say to each other, and how they refuse what they are told. */
import {
  ApplicationFailure,
  getExternalWorkflowHandle,
  isCancellation,
  type SignalDefinition,
} from '@temporalio/workflow';

/** Signal another workflow; one that ended meanwhile need not be told. */
export async function tell<Args extends unknown[]>(
  workflowId: string,
  signal: SignalDefinition<Args>,
  ...args: Args
): Promise<void> {
  try {
    await getExternalWorkflowHandle(workflowId).signal(signal, ...args);
  } catch (error) {
    if (isCancellation(error)) throw error;
  }
}

/** For validators of updates: the sender reads `message`. */
export function refuseUnless(condition: boolean, message: string): void {
  if (!condition) throw ApplicationFailure.nonRetryable(message, 'InvalidInput');
}
