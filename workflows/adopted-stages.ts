/** Stages that a run does not run itself: taken from an earlier run, or replaced by a given model. */
import type { StageOutcome } from '../activities/stage-outcome.js';
import { io } from './activities.js';
import { STAGES, type PipelineStage, type ResolvedRunInput, type StageName } from './inputs.js';

export type AdoptedStages = Partial<Record<StageName, StageOutcome>>;

/** Whether `stage` will be taken over from an earlier run. */
export function takesOver({ startFrom }: Pick<ResolvedRunInput, 'startFrom'>, stage: PipelineStage): boolean {
  return startFrom !== undefined && STAGES.indexOf(startFrom.stage) > STAGES.indexOf(stage);
}

/** @throws ActivityFailure with the cause `InvalidInput` where the earlier run did not get that far. */
export async function adoptedStages({
  startFrom,
  model,
}: Pick<ResolvedRunInput, 'startFrom' | 'model'>): Promise<AdoptedStages> {
  const adopted: AdoptedStages = startFrom ? { ...(await io().adoptStages(startFrom)) } : {};
  if (model) {
    adopted.base = {
      stage: 'base',
      key: model.sha256,
      reused: true,
      outputs: { model },
      parents: {},
      metrics: {},
      cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 0 },
    };
  }
  return adopted;
}
