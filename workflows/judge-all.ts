/** Judge every pair of an artefact, shard by shard. */
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import type { JudgeShardInput } from '../activities/interface.js';
import { training } from './activities.js';
import { isServed, withJudgeServer } from './with-judge-server.js';

const SHARD = 500;
/** A training worker that is silent for so long counts as lost. */
const HEARTBEAT_SECONDS = 30;

/** Verdicts of one judge on all of `pairs`, in order; a preempted shard is judged again. */
export async function judgeAll(input: Omit<JudgeShardInput, 'from' | 'to'>): Promise<ArtifactRef[]> {
  if (!isServed(input.recipe)) return judgeShards(input);
  const { context, model } = input;
  const owner = { runId: context.runId, stage: 'evaluate', model } as const;
  return withJudgeServer(owner, () => judgeShards({ ...input, served: true }));
}

async function judgeShards(input: Omit<JudgeShardInput, 'from' | 'to'>): Promise<ArtifactRef[]> {
  const verdicts: ArtifactRef[] = [];
  for (let from = 0, count = SHARD; count === SHARD;) {
    const result = await training(HEARTBEAT_SECONDS).judgeShard({ ...input, from, to: from + SHARD });
    if (result.status !== 'done') continue;
    verdicts.push(result.judgements);
    from += SHARD;
    count = result.pairs;
  }
  return verdicts;
}
