import { ApplicationFailure, patched } from '@temporalio/workflow';
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import type { DistillationPlan } from '../activities/interface.js';
import type { StageOutcome } from '../activities/stage-outcome.js';
import { io } from './activities.js';
import { distillInTurn } from './distill-in-turn.js';
import type { StageInput } from './inputs.js';
import type { Ledger } from './ledger.js';
import { studentSamples } from '../recipes/self-taught.js';
import { askInBatches } from './oracle-batches.js';
import { judgeShards } from './oracle-shards.js';
import type { RunControl } from './run-control.js';
import { stageWorkflow } from './stage-workflow.js';
import { required, type Artifacts } from './upstream.js';

/**
 * Distil reasoning traces (RM-R1, section 3.1): oracle A judges every pair; what disagrees with the gold label goes to
 * oracle B with the gold verdict and the flawed judgement; only traces that end in the gold verdict are kept.
 * Pairs are worked through in shards, at most a hundred, so that the history stays small whatever their number.
 */
export function distill(input?: StageInput): Promise<StageOutcome> {
  return stageWorkflow('distill', ['pairs'], input, (run, artifacts) => {
    const pairs = required(artifacts, 'pairs');
    const student = studentOf(run, artifacts);
    return patched('distill-ledger') ? distillShards(run, pairs, student) : distillInTurn(run, pairs);
  });
}

/** The model that judges before the oracle does, where the recipe wants one. */
function studentOf({ recipe }: RunControl, { student }: Artifacts): ArtifactRef | undefined {
  if (studentSamples(recipe) === undefined) return undefined;
  const problem = !student
    ? 'distill.studentSamples: there is no model to draw from; give one as artifacts.student, or leave the field out (oracle.provider none always needs one).'
    : recipe.oracle.mode === 'batch'
      ? 'distill.studentSamples: batches ask about every pair; leave the field out, or set oracle.mode to chat.'
      : undefined;
  if (problem) throw ApplicationFailure.nonRetryable(problem, 'InvalidInput');
  return student;
}

async function distillShards(
  run: RunControl,
  pairs: ArtifactRef,
  student: ArtifactRef | undefined,
): Promise<StageOutcome> {
  const began = Date.now();
  const stage = {
    context: run.context,
    seed: run.seed,
    recipe: run.recipe,
    pairs,
    ...(student ? { student } : {}),
  };
  const found = await io(run.heartbeatSeconds).findDistillation(stage);
  if (found) return found;

  const plan = await io(run.heartbeatSeconds).splitPairs({ recipe: run.recipe, pairs });
  const ledger = run.spending.open(await io(run.heartbeatSeconds).openLedger({ runId: run.context.runId }));
  const batched = run.recipe.oracle.mode === 'batch';
  const unanswered = batched && !run.spending.onlyStored ? await askAll(run, ledger, plan) : 0;
  const shards = await judgeShards(run, ledger, plan, {
    onlyStored: batched || run.spending.onlyStored,
    ...(student ? { student } : {}),
  });
  const report = ledger.report();
  const { spentUsd: usd, inputTokens, outputTokens } = report;
  return io(run.heartbeatSeconds).filterTraces({
    ...stage,
    shards,
    ledger: report,
    cost: { usd, inputTokens, outputTokens, seconds: (Date.now() - began) / 1000 },
    ...(run.spending.onlyStored || unanswered > 0 ? { partial: true } : {}),
  });
}

/** Both passes through the batch endpoint; how many questions stay without an answer. */
async function askAll(run: RunControl, ledger: Ledger, { shards }: DistillationPlan): Promise<number> {
  const first = await askInBatches(run, ledger, 1, shards);
  return run.recipe.distill.secondPass ? first + (await askInBatches(run, ledger, 2, shards)) : first;
}
