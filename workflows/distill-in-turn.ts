/** Distillation as runs did it that began before there was a ledger: one shard after the other. Kept for their replay. */
import { ApplicationFailure } from '@temporalio/workflow';
import type { OracleShardInput, OracleShardResult } from '../activities/interface.js';
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import type { StageOutcome } from '../activities/stage-outcome.js';
import { io, oracle } from './activities.js';
import type { RunControl } from './run-control.js';

export async function distillInTurn(run: RunControl, pairs: ArtifactRef): Promise<StageOutcome> {
  const stage = { context: run.context, seed: run.seed, recipe: run.recipe, pairs, cost: NO_COST };
  const found = await io(run.heartbeatSeconds).findDistillation(stage);
  if (found) return found;

  const { pairs: wanted, shardSize, secondPass } = run.recipe.distill;
  const spent = { ...NO_COST };
  const firstPass = [];
  const corrections = [];
  let agreed = 0;
  for (let from = 0; from < wanted; from += shardSize) {
    const shard = { from, to: Math.min(from + shardSize, wanted), pairs };
    const judged = await ask(run, spent, { ...shard, pass: 1 });
    firstPass.push(judged.answers);
    agreed += judged.agreed;
    if (secondPass && judged.wrong > 0) {
      const corrected = await ask(run, spent, { ...shard, pass: 2, firstPass: judged.answers });
      corrections.push(corrected.answers);
    }
    run.report('distill', { step: shard.to, total: wanted, accuracy: agreed / shard.to });
    if (judged.asked + judged.cached < shard.to - shard.from) break;
  }
  return io(run.heartbeatSeconds).filterTraces({ ...stage, firstPass, secondPass: corrections, cost: spent });
}

const NO_COST = { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 0 };

/** One shard of one pass, within what is left of the budget. */
async function ask(
  run: RunControl,
  spent: StageOutcome['cost'],
  shard: Pick<OracleShardInput, 'pass' | 'firstPass' | 'from' | 'to' | 'pairs'>,
): Promise<OracleShardResult> {
  const began = Date.now();
  const result = await oracle(run.heartbeatSeconds).judgeWithOracle({
    ...shard,
    context: run.context,
    seed: run.seed,
    total: run.recipe.distill.pairs,
    oracle: run.recipe.oracle,
    promptVersion: run.recipe.distill.promptVersion,
    ...(run.budgetUsd === undefined ? {} : { budgetUsd: Math.max(0, run.budgetUsd - spent.usd) }),
  });
  spent.usd += result.cost.usd;
  spent.inputTokens += result.cost.inputTokens;
  spent.outputTokens += result.cost.outputTokens;
  spent.seconds += (Date.now() - began) / 1000;
  if (result.budgetReached) {
    throw ApplicationFailure.nonRetryable(
      `The budget of $${run.budgetUsd} is spent ($${spent.usd.toFixed(4)}). Send \`correct\` with a higher budgetUsd; ` +
        'what was answered is kept and not paid again.',
      'BudgetExhausted',
    );
  }
  return result;
}
