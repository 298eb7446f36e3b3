/** The gradient of one GRPO update: rollouts in micro-batches, each against the reference model. */
import type { GrpoJob } from '../job.js';
import type { MicroBatch } from '../data/packing.js';
import type { GrpoBatch } from '../model/batch.js';
import type { RolloutBatch } from '../model/objective-feeds.js';
import type { GrpoPart, TrainingRuntime } from '../model/runtime.js';
import type { GrpoSettings } from '../loss/grpo.js';
import { perToken, planMicroBatches, tokenBatch } from './batches.js';
import { namesOf, requireFiniteLoss } from './divergence.js';
import type { Rollout } from './rollouts.js';
import type { TrainingPlan } from './training-plan.js';

const DAPO_CLIP_HIGH = 0.28;

/**
 * Add the gradient of one optimiser update to `runtime`; the reference of the KL term is the plan's starting model.
 * @param breathe called between runs of the graph
 * @returns figures as means over the completion tokens (GSPO: over completions)
 */
export async function accumulateGrpo(
  runtime: TrainingRuntime,
  plan: TrainingPlan,
  job: GrpoJob,
  rollouts: readonly Rollout[],
  breathe: () => Promise<void>,
): Promise<GrpoPart> {
  const { temperature } = job;
  const settings = { ...grpoSettings(job), temperature };
  const totalTokens = completionTokens(rollouts);
  const divisor = grpoDivisor(job, rollouts);
  const total = { loss: 0, kl: 0, clipShare: 0 };
  for (const { rows, batch } of rolloutBatches(plan, rollouts)) {
    const refLogprobs = await runtime.logprobs(batch, { params: plan.model.parameters, temperature });
    const filled: GrpoBatch = { ...batch, refLogprobs };
    const part =
      job.objective === 'gspo'
        ? await runtime.gradGspo(filled, { tokens: totalTokens, sequences: rollouts.length }, settings)
        : await runtime.gradGrpo(filled, divisor, settings);
    requireFiniteLoss(part.loss, () => namesOf(rows, (index) => rollouts[index]!.id));
    total.loss += part.loss;
    const scale = figureScale(job, rollouts);
    total.kl += part.kl * scale;
    total.clipShare += part.clipShare * scale;
    await breathe();
  }
  return total;
}

/** Rollouts of an optimiser batch in micro-batches. @param rowTokens of every row; default: by the rollouts in it */
export function rolloutBatches(
  { model, batches }: TrainingPlan,
  rollouts: readonly Rollout[],
  rowTokens?: number,
): { rows: MicroBatch; batch: RolloutBatch }[] {
  const sequences = rollouts.map(({ tokens }) => tokens);
  const each = (valuesOf: (rollout: Rollout) => Float32Array): Float32Array[] => rollouts.map(valuesOf);
  const [weights, oldLogprobs] = [each((rollout) => rollout.weights), each((rollout) => rollout.oldLogprobs)];
  const advantages = each(({ tokens, advantage }) => new Float32Array(tokens.length).fill(advantage));
  const sizes = sequences.map(({ length }) => length);
  return planMicroBatches(sizes, batches, rowTokens).map((rows) => ({
    rows,
    batch: {
      ...tokenBatch(rows, sequences, model.tokenizer.padding),
      weights: perToken(rows, weights),
      oldLogprobs: perToken(rows, oldLogprobs),
      advantages: perToken(rows, advantages),
    },
  }));
}

/** Tokens that the rollouts generated, end-of-text included. */
export const completionTokens = (rollouts: readonly Rollout[]): number =>
  rollouts.reduce((sum, rollout) => sum + rollout.completionTokens, 0);

/** What an update's sum over tokens is divided by; Dr. GRPO takes what the batch could have held, so that long wrong answers are not spared. */
export const grpoDivisor = (job: GrpoJob, rollouts: readonly Rollout[]): number =>
  job.objective === 'dr-grpo' ? rollouts.length * job.maxNewTokens : completionTokens(rollouts);

/** KL and share of clipped tokens are means over tokens (GSPO: over completions) whatever the loss divides by. */
export const figureScale = (job: GrpoJob, rollouts: readonly Rollout[]): number =>
  job.objective === 'gspo' ? 1 : grpoDivisor(job, rollouts) / completionTokens(rollouts);

/** DAPO's upper clip is its own; else clipping is symmetric. */
export function grpoSettings({ objective, clip, clipHigh, klCoefficient }: GrpoJob): GrpoSettings {
  const high = clipHigh ?? (objective === 'dapo' ? DAPO_CLIP_HIGH : undefined);
  return { clip, klCoefficient, ...(high === undefined ? {} : { clipHigh: high }) };
}

/** `parts` runs of neighbouring items, as equal as can be. */
export function splitEvenly<T>(items: readonly T[], parts: number): T[][] {
  const bounds = Array.from({ length: parts + 1 }, (_, i) => Math.floor((i * items.length) / parts));
  return bounds.slice(1).map((end, i) => items.slice(bounds[i], end));
}
