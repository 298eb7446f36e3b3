/** Where a run's training stands, by the heartbeat of its pending activity. */
import type { TestMachine } from '../test/support/machine.js';

export interface TrainingBeat {
  step: number;
  /** Whether this attempt of the activity has seen a step. */
  training: boolean;
  /** Of the activity. */
  attempt: number;
}

/** Undefined where nothing trains, or the server is away. */
export async function trainingBeat(host: TestMachine, workflowId: string): Promise<TrainingBeat | undefined> {
  const description = await host.client.workflow
    .getHandle(workflowId)
    .describe()
    .catch(() => undefined);
  const activity = description?.raw.pendingActivities?.find(
    ({ activityType }) => activityType?.name === 'trainModel',
  );
  const data = activity?.heartbeatDetails?.payloads?.[0]?.data;
  if (!activity || !data) return undefined;
  const { figures } = JSON.parse(Buffer.from(data).toString('utf8')) as {
    figures?: { step: number; loss?: number };
  };
  return (
    figures && { step: figures.step, training: figures.loss !== undefined, attempt: activity.attempt ?? 1 }
  );
}
