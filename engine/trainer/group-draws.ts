/** Which prompts a GRPO step learns from. */
import type { EpochOrder, Visit } from '../data/epochs.js';
import type { GrpoJob } from '../job.js';
import type { Rollout } from './rollouts.js';

const DEFAULT_DRAWS = 3;

/** Whether the raw rewards of a group differ, so that it teaches something. */
export function disagrees(group: readonly Rollout[]): boolean {
  return group.some((rollout) => rollout.reward !== group[0]!.reward);
}

/**
 * The groups of one step. DAPO's dynamic sampling (arXiv 2503.14476) keeps only groups that disagree, judged on the raw
 * reward, and draws further prompts until there are `promptsPerStep` of them or `maxDraws` rounds are over. Every step
 * owns its stretch of the order of prompts, so that a resumed run draws the same.
 * @returns `groups` to learn from and `all` that were rolled out
 */
export async function drawGroups(
  job: Pick<GrpoJob, 'objective' | 'promptsPerStep' | 'maxDraws'>,
  order: Pick<EpochOrder, 'visits'>,
  step: number,
  rollOut: (visits: readonly Visit[]) => Promise<Rollout[][]>,
): Promise<{ groups: Rollout[][]; all: Rollout[][] }> {
  const { promptsPerStep: wanted } = job;
  if (job.objective !== 'dapo') {
    const all = await rollOut(order.visits((step - 1) * wanted, wanted));
    return { groups: all, all };
  }
  const draws = job.maxDraws ?? DEFAULT_DRAWS;
  const all: Rollout[][] = [];
  const groups: Rollout[][] = [];
  for (let draw = 0; draw < draws && groups.length < wanted; draw += 1) {
    const drawn = await rollOut(order.visits(((step - 1) * draws + draw) * wanted, wanted));
    all.push(...drawn);
    groups.push(...drawn.filter(disagrees));
  }
  return { groups: groups.slice(0, wanted), all };
}
