/** Where traces come from: an oracle, or the student itself in rounds of judging and learning. */
import type { StageOutcome, TimedOutcome } from '../activities/stage-outcome.js';
import { isSelfTaught, roundsOf } from '../recipes/self-taught.js';
import type { RunControl } from './run-control.js';
import { askForTraces, fineTune } from './steps.js';

/** Reasoning traces that end in the gold verdict (RM-R1, section 3.1). */
export function distillTraces(
  run: RunControl,
  dataset: StageOutcome,
  base: StageOutcome,
): Promise<TimedOutcome> {
  return isSelfTaught(run.recipe) ? bootstrapTraces(run, dataset, base) : askForTraces(run, dataset, base);
}

/**
 * Without an oracle (TIR-Judge-Zero): the student judges, the base is fine-tuned on what it got right, and that student
 * judges in the next round.
 * @returns The traces of the last round; the fine-tuning on them is the pipeline's next stage.
 */
async function bootstrapTraces(
  run: RunControl,
  dataset: StageOutcome,
  base: StageOutcome,
): Promise<TimedOutcome> {
  // Taken over from another run, they are those of its last round.
  const rounds = run.hasAdopted('distill') ? 1 : roundsOf(run.recipe);
  let student = base;
  for (let round = 1; round < rounds; round++) {
    const traces = await askForTraces(run, dataset, student, { round, rounds });
    student = await fineTune(run, base, traces, { round, rounds });
  }
  const traces = await askForTraces(run, dataset, student, { round: rounds, rounds });
  run.beginRound('sft', { round: rounds, rounds });
  return traces;
}
