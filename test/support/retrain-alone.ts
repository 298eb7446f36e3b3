/** Workflows of a worker on which retraining is real and the training run is one activity: for soaks over many days. */
import type { TrainRewardModelInput } from '../../workflows/inputs.js';
import type { RunResult } from '../../workflows/messages.js';
import { proxyActivities, workflowInfo } from '@temporalio/workflow';

export { retrain } from '../../workflows/retrain.js';

const { train } = proxyActivities<{
  train: (run: string, input: TrainRewardModelInput) => Promise<RunResult>;
}>({
  startToCloseTimeout: '1 hour',
  retry: { initialInterval: '1 second', maximumAttempts: 8 },
});

/** The pipeline as a retraining sees it. */
export function trainRewardModel(input: TrainRewardModelInput): Promise<RunResult> {
  return train(workflowInfo().workflowId, input);
}
