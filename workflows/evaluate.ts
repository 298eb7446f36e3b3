import type { JudgeShardInput } from '../activities/interface.js';
import type { StageOutcome } from '../activities/stage-outcome.js';
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import { io, training } from './activities.js';
import type { BenchmarkInput } from './benchmark-input.js';
import { evaluateBenchmark } from './evaluate-benchmark.js';
import type { StageInput } from './inputs.js';
import type { RunControl } from './run-control.js';
import { stageWorkflow } from './stage-workflow.js';
import { required } from './upstream.js';
import { isServed, withJudgeServer } from './with-judge-server.js';

/** Pairs judged by one activity; a lost worker costs at most one shard. */
const SHARD = 500;

/**
 * Judge the held-out pairs, greedy and in both orders, with each judge of the recipe, and score the judgements; or, where
 * the input names one, judge a published benchmark with any judge.
 */
export function evaluate(input?: StageInput | BenchmarkInput): Promise<StageOutcome> {
  return input && 'benchmark' in input ? evaluateBenchmark(input) : evaluateRun(input);
}

function evaluateRun(input: StageInput | undefined): Promise<StageOutcome> {
  return stageWorkflow('evaluate', ['pairs', 'base', 'sft', 'grpo'], input, async (run, artifacts) => {
    const { recipe } = run;
    const models = Object.fromEntries(
      recipe.evaluate.stages.map((name) => [name, required(artifacts, name)]),
    );
    const sets = [required(artifacts, 'pairs'), ...(artifacts.matrix ? [artifacts.matrix] : [])];
    const stage = {
      context: run.context,
      recipe,
      models,
      pairs: sets[0]!,
      ...(sets[1] ? { matrix: sets[1] } : {}),
      ...(isServed(recipe) ? { served: true as const } : {}),
    };
    const found = await io(run.heartbeatSeconds).findEvaluation(stage);
    if (found) return found;

    const judgements: Record<string, ArtifactRef[]> = {};
    let tokens = 0;
    let seconds = 0;
    for (const judge of recipe.evaluate.stages) {
      const judged: ArtifactRef[] = (judgements[judge] = []);
      const model = models[judge]!;
      const judgeSets = async () => {
        for (const pairs of sets) {
          for (let from = 0, count = SHARD; count === SHARD; from += SHARD) {
            const place = { judge, model, pairs, from, to: from + SHARD };
            const shard = await judgeShard(run, stage.served ? { ...place, served: true } : place);
            judged.push(shard.judgements);
            tokens += shard.tokens;
            seconds += shard.seconds;
            count = shard.pairs;
          }
        }
      };
      const owner = { runId: run.context.runId, stage: 'evaluate', model } as const;
      await (stage.served ? withJudgeServer(owner, judgeSets) : judgeSets());
    }
    return io(run.heartbeatSeconds).scoreJudgements({ ...stage, judgements, tokens, seconds });
  });
}

/** Judge one shard to its end, however often the engine is preempted. */
async function judgeShard(run: RunControl, shard: Omit<JudgeShardInput, 'context' | 'recipe'>) {
  for (;;) {
    const result = await training(run.heartbeatSeconds).judgeShard({
      ...shard,
      context: run.context,
      recipe: run.recipe,
    });
    if (result.status === 'done') return result;
    await run.yieldIfInterrupted();
  }
}
