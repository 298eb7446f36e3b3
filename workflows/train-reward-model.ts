import { prepareDataset, evaluateJudges, fineTune, reinforce, warmUpBase, writeReport } from './steps.js';
import { distillTraces } from './distill-traces.js';
import { STAGES, trainRewardModelInputSchema, type TrainRewardModelInput } from './inputs.js';
import type { RunResult } from './messages.js';
import { parseInput } from './parse-input.js';
import { conclude } from './conclude.js';
import { RunControl } from './run-control.js';

/**
 * Train a reasoning reward model (RM-R1, arXiv 2505.02387, figure 2): distil an oracle's reasoning traces, fine-tune
 * the student on them, reinforce it with verifiable ±1 rewards, judge the held-out pairs.
 * Input: one JSON object, `{}` is valid. Result: references to model, scores and report.
 */
export async function trainRewardModel(input?: TrainRewardModelInput): Promise<RunResult> {
  const run = await RunControl.begin(parseInput(trainRewardModelInputSchema, input), [...STAGES]);
  return conclude(run, async () => {
    const dataset = await prepareDataset(run);
    const base = await warmUpBase(run, dataset);

    const sft = run.recipe.coldStart
      ? base
      : await fineTune(run, base, await distillTraces(run, dataset, base));
    const grpo = await reinforce(run, sft, dataset);

    await evaluateJudges(run, dataset, { base, sft, grpo });
    await writeReport(run);
  });
}
