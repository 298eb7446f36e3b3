/** The frame that the stage workflows share: check the input, find what is missing, run, sum up. */
import { isCancellation } from '@temporalio/workflow';
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import type { StageOutcome, TimedOutcome } from '../activities/stage-outcome.js';
import { STAGES, stageInputSchema, type StageInput, type StageName } from './inputs.js';
import { parseInput } from './parse-input.js';
import { RunControl } from './run-control.js';
import { upstream } from './upstream.js';

type LoneStage = 'distill' | 'sft' | 'grpo' | 'reward' | 'evaluate';

/** A stage with those before it; reward models need the base only. */
function stagesUpTo(name: LoneStage): StageName[] {
  return name === 'reward' ? ['dataset', 'base', name] : STAGES.slice(0, STAGES.indexOf(name) + 1);
}

/** Run `work` as stage `name` with the artefacts in `needed`, given by the caller or made by the stages before it. */
export async function stageWorkflow(
  name: LoneStage,
  needed: readonly string[],
  input: StageInput | undefined,
  work: (run: RunControl, artifacts: Record<string, ArtifactRef>) => Promise<StageOutcome>,
): Promise<StageOutcome> {
  const parsed = parseInput(stageInputSchema, input);
  const alone = !needed.every((artifact) => parsed.artifacts[artifact]);
  const run = await RunControl.begin(parsed, alone ? stagesUpTo(name) : [name]);
  try {
    const artifacts = await upstream(run, name, parsed.artifacts, needed);
    const { wallSeconds: _, ...outcome }: TimedOutcome = await run.stage(name, () => work(run, artifacts));
    run.end('completed');
    return outcome;
  } catch (error) {
    run.end(isCancellation(error) ? 'cancelled' : 'failed');
    throw error;
  }
}
