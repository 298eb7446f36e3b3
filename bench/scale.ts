/** Figures behind docs/scale.md, computed: what runs of 32B take with the paper's data and with 800,000 pairs. */
import { loadRecipe } from '../recipes/load.js';
import { batchCount, checkpointBytes, looksAt, shardPlan } from '../recipes/sizing/capacity.js';
import { estimateTraining } from '../recipes/sizing/estimate-training.js';
import { modelOf } from '../recipes/sizing/recipe-facts.js';
import { figure, type BenchResult } from './result.js';

/** Tokens and bytes of a distillation's questions; pass 2 asks about a quarter, with the flawed judgement. */
const QUESTION = { tokens: 1000, answer: 600, share: 0.25, bytes: [4600, 7600] } as const;

/** Runs of 32B: the paper's size, and 800,000 traces. */
export async function run(): Promise<BenchResult[]> {
  const name = 'rm-r1-qwen2.5-32b-instruct';
  return [8700, 800_000].flatMap((pairs) => {
    const steps = pairs === 8700 ? 61 : Math.floor(pairs / 1024);
    const recipe = loadRecipe(name, { 'distill.pairs': pairs, 'grpo.steps': steps });
    const { batch, price, model } = recipe.oracle;
    const second = pairs * QUESTION.share;
    const { inputPerMillion, outputPerMillion } = price[model]!;
    const input = pairs * QUESTION.tokens + second * (QUESTION.tokens + QUESTION.answer);
    const output = (pairs + second) * QUESTION.answer;
    const usd = ((input * inputPerMillion + output * outputPerMillion) / 1e6) * batch.priceFactor;
    const batches =
      batchCount(pairs, QUESTION.bytes[0], batch) + batchCount(second, QUESTION.bytes[1], batch);
    const shards = shardPlan(recipe.distill);
    const { stages } = estimateTraining(recipe)!;
    const shown = (what: string, value: number, unit: string) =>
      figure('scale', `${pairs.toLocaleString('en-US')} pairs: ${what}`, value, unit);
    return [
      shown('events of the distillation by chat', shards.events, 'events'),
      shown('pairs of a shard', shards.pairsPerShard, 'pairs'),
      shown('batches', batches, 'batches'),
      shown('looks at a batch of a day', looksAt(86_400, batch).looks, 'looks'),
      shown('oracle, in batches', usd, 'USD'),
      ...stages.flatMap(({ stage, gpuHours, hours, trainedTokens }) => [
        shown(`${stage} on 32 H100`, gpuHours, 'GPU hours'),
        shown(`${stage} on 32 H100`, hours, 'hours'),
        shown(`${stage} tokens trained`, trainedTokens, 'tokens'),
      ]),
      shown('a checkpoint', checkpointBytes(modelOf(recipe)!) / 1e9, 'GB'),
    ];
  });
}
