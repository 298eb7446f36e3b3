/** The gradient of one GRPO update: rollouts in micro-batches, each against the reference model. */
import type { GrpoJob } from '../job.js';
import type { GrpoBatch } from '../model/batch.js';
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
  { model, batches }: TrainingPlan,
  job: GrpoJob,
  rollouts: readonly Rollout[],
  breathe: () => Promise<void>,
): Promise<GrpoPart> {
  const { temperature } = job;
  const settings = { ...grpoSettings(job), temperature };
  const sequences = rollouts.map((rollout) => rollout.tokens);
  const totalTokens = rollouts.reduce((sum, rollout) => sum + rollout.completionTokens, 0);
  // Dr. GRPO divides by what the batch could have held, so that long wrong answers are not spared.
  const divisor = job.objective === 'dr-grpo' ? rollouts.length * job.maxNewTokens : totalTokens;
  const sizes = sequences.map((tokens) => tokens.length);
  const total = { loss: 0, kl: 0, clipShare: 0 };
  for (const rows of planMicroBatches(sizes, batches)) {
    const batch = tokenBatch(rows, sequences, model.tokenizer.padding);
    const refLogprobs = await runtime.logprobs(batch, { params: model.parameters, temperature });
    const filled: GrpoBatch = {
      ...batch,
      weights: perToken(
        rows,
        rollouts.map((rollout) => rollout.weights),
      ),
      oldLogprobs: perToken(
        rows,
        rollouts.map((rollout) => rollout.oldLogprobs),
      ),
      refLogprobs,
      advantages: perToken(
        rows,
        rollouts.map(({ tokens, advantage }) => new Float32Array(tokens.length).fill(advantage)),
      ),
    };
    const part =
      job.objective === 'gspo'
        ? await runtime.gradGspo(filled, { tokens: totalTokens, sequences: rollouts.length }, settings)
        : await runtime.gradGrpo(filled, divisor, settings);
    requireFiniteLoss(part.loss, () => namesOf(rows, (index) => rollouts[index]!.id));
    total.loss += part.loss;
    // Figures are means over tokens whatever the loss divides by.
    const scale = job.objective === 'gspo' ? 1 : divisor / totalTokens;
    total.kl += part.kl * scale;
    total.clipShare += part.clipShare * scale;
    await breathe();
  }
  return total;
}

/** DAPO's upper clip is its own; else clipping is symmetric. */
function grpoSettings({ objective, clip, clipHigh, klCoefficient }: GrpoJob): GrpoSettings {
  const high = clipHigh ?? (objective === 'dapo' ? DAPO_CLIP_HIGH : undefined);
  return { clip, klCoefficient, ...(high === undefined ? {} : { clipHigh: high }) };
}

/** `parts` runs of neighbouring items, as equal as can be. */
export function splitEvenly<T>(items: readonly T[], parts: number): T[][] {
  const bounds = Array.from({ length: parts + 1 }, (_, i) => Math.floor((i * items.length) / parts));
  return bounds.slice(1).map((end, i) => items.slice(bounds[i], end));
}
