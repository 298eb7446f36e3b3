/** The few numbers of a training stage that go into its manifest. */
import type { StepMetrics } from '../../engine/job.js';

/** Single steps jitter: the first and the last so many stand for begin and end. */
const STEPS = 10;

/**
 * Steps, last loss, and the means over the last steps of reward (−1 to 1) and accuracy where the stage has them; the
 * reward of the first steps too, because its rise is what GRPO is for.
 */
export function stageMetrics(steps: readonly StepMetrics[]): Record<string, number> {
  const last = steps.at(-1);
  const metrics: Record<string, number> = { steps: steps.length };
  if (last) metrics.loss = last.loss;
  for (const name of ['reward', 'accuracy'] as const)
    if (last?.[name] !== undefined) metrics[name] = meanOf(name, steps.slice(-STEPS));
  if (last?.reward !== undefined) metrics.rewardAtStart = meanOf('reward', steps.slice(0, STEPS));
  return metrics;
}

function meanOf(name: 'reward' | 'accuracy', steps: readonly StepMetrics[]): number {
  return steps.reduce((sum, step) => sum + (step[name] ?? 0), 0) / steps.length;
}
