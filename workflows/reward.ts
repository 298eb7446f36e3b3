import type { StageOutcome } from '../activities/stage-outcome.js';
import { io } from './activities.js';
import type { StageInput } from './inputs.js';
import { stageWorkflow } from './stage-workflow.js';
import { train } from './steps.js';
import { required } from './upstream.js';

/**
 * Train a scalar reward model on the pairs themselves: −log σ(r_chosen − r_rejected) on the base model (Bradley–Terry).
 * It stands beside the pipeline, as the baseline that gives no reasons; `rmr1 evaluate --judge scalar` judges with it.
 */
export function reward(input?: StageInput): Promise<StageOutcome> {
  return stageWorkflow('reward', ['model', 'pairs'], input, async (run, artifacts) => {
    const model = required(artifacts, 'model');
    const { recipe } = run;
    const data = await io(run.heartbeatSeconds).buildRewardSet({
      recipe,
      tokenizer: model,
      pairs: required(artifacts, 'pairs'),
    });
    return train(run, 'reward', { model, data });
  });
}
