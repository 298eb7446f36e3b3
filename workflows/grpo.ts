import type { StageOutcome } from '../activities/stage-outcome.js';
import { io } from './activities.js';
import type { StageInput } from './inputs.js';
import { stageWorkflow } from './stage-workflow.js';
import { train } from './steps.js';
import { required } from './upstream.js';

/** Reinforce the student with GRPO: ±1 for the right verdict, KL to the distilled checkpoint (RM-R1, section 3.2). */
export function grpo(input?: StageInput): Promise<StageOutcome> {
  return stageWorkflow('grpo', ['model', 'pairs'], input, async (run, artifacts) => {
    const model = required(artifacts, 'model');
    const { recipe, seed } = run;
    const data = await io(run.heartbeatSeconds).buildRlPrompts({
      recipe,
      seed,
      tokenizer: model,
      pairs: required(artifacts, 'pairs'),
    });
    return train(run, 'grpo', { model, data });
  });
}
