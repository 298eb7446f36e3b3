import type { StageOutcome } from '../activities/stage-outcome.js';
import { io } from './activities.js';
import type { StageInput } from './inputs.js';
import { stageWorkflow } from './stage-workflow.js';
import { train } from './steps.js';
import { required } from './upstream.js';

/** Fine-tune the student on the oracle's traces: NLL on trace tokens only (RM-R1, section 3.1). */
export function sft(input?: StageInput): Promise<StageOutcome> {
  return stageWorkflow('sft', ['model', 'traces'], input, async (run, artifacts) => {
    const model = required(artifacts, 'model');
    const { recipe } = run;
    const data = await io(run.heartbeatSeconds).buildSftSet({
      recipe,
      tokenizer: model,
      traces: required(artifacts, 'traces'),
    });
    return train(run, 'sft', { model, data });
  });
}
