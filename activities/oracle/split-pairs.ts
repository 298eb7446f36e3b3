/** The pairs of a distillation as shards of their own, so that no shard has to read through all of the data. */
import type { Recipe } from '../../recipes/schema.js';
import { present } from '../../judge/pair.js';
import { UserError } from '../../workflows/errors.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { PairLine } from '../dataset/pair-lines.js';
import type { DistillationPlan } from '../interface.js';
import { selector } from './select-pairs.js';

/** Bounds the history of the workflow whatever the number of pairs: some twelve events a shard. */
const MOST_SHARDS = 100;

/** @throws UserError `InvalidInput` where no pair is left to ask about. */
export async function splitPairs(
  store: ArtifactStore,
  { recipe, pairs }: { recipe: Recipe; pairs: ArtifactRef },
): Promise<DistillationPlan> {
  const { distill } = recipe;
  const size = Math.max(distill.shardSize, Math.ceil(distill.pairs / MOST_SHARDS));
  const isSent = selector(distill);
  const shards: DistillationPlan['shards'] = [];
  let lines: PairLine[] = [];
  const flush = async () => {
    if (lines.length === 0) return;
    shards.push({ pairs: await store.putLines('pairs', lines), count: lines.length });
    lines = [];
  };
  for await (const value of store.openLines(pairs)) {
    const line = value as PairLine;
    const { gold, ...pair } = line;
    if (!isSent(present(pair, gold))) continue;
    lines.push(line);
    if (lines.length === size) await flush();
  }
  await flush();
  if (shards.length === 0) {
    throw new UserError('InvalidInput', 'distill.quotas: no pair is left to send to the oracle; raise them.');
  }
  return { shards, total: shards.reduce((sum, { count }) => sum + count, 0) };
}
