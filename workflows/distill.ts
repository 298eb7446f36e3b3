import { patched } from '@temporalio/workflow';
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import type { StageOutcome } from '../activities/stage-outcome.js';
import { io } from './activities.js';
import { distillInTurn } from './distill-in-turn.js';
import type { StageInput } from './inputs.js';
import { judgeShards } from './oracle-shards.js';
import type { RunControl } from './run-control.js';
import { stageWorkflow } from './stage-workflow.js';
import { required } from './upstream.js';

/**
 * Distil reasoning traces (RM-R1, section 3.1): oracle A judges every pair; what disagrees with the gold label goes to
 * oracle B with the gold verdict and the flawed judgement; only traces that end in the gold verdict are kept.
 * Pairs are worked through in shards, at most a hundred, so that the history stays small whatever their number.
 */
export function distill(input?: StageInput): Promise<StageOutcome> {
  return stageWorkflow('distill', ['pairs'], input, (run, artifacts) => {
    const pairs = required(artifacts, 'pairs');
    return patched('distill-ledger') ? distillShards(run, pairs) : distillInTurn(run, pairs);
  });
}

async function distillShards(run: RunControl, pairs: ArtifactRef): Promise<StageOutcome> {
  const began = Date.now();
  const stage = { context: run.context, seed: run.seed, recipe: run.recipe, pairs };
  const found = await io.findDistillation(stage);
  if (found) return found;

  const plan = await io.splitPairs({ recipe: run.recipe, pairs });
  const ledger = run.spending.open(await io.openLedger({ runId: run.context.runId }));
  const shards = await judgeShards(run, ledger, plan);
  const report = ledger.report();
  const { spentUsd: usd, inputTokens, outputTokens } = report;
  return io.filterTraces({
    ...stage,
    shards,
    ledger: report,
    cost: { usd, inputTokens, outputTokens, seconds: (Date.now() - began) / 1000 },
    ...(run.spending.onlyStored ? { partial: true } : {}),
  });
}
