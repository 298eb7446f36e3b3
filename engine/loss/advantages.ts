/** Keeps the division finite; it also decides the goldens, so it is part of the definition (RM-R1, GRPO). */
const EPSILON = 1e-6;

/**
 * Group-relative advantages A = (r − mean) / (std + 1e-6), std with Bessel's correction (Shao et al. 2024, as
 * RM-R1 and verl compute it). A group without variance teaches nothing: all zeros.
 * @param rewards raw rewards of the rollouts of one prompt, at least two
 * @param divide by the standard deviation; Dr. GRPO (arXiv 2503.20783) takes A = r − mean instead
 */
export function groupAdvantages(rewards: readonly number[], divide = true): number[] {
  if (rewards.length < 2)
    throw new Error(`a group needs at least 2 rollouts to compare, not ${rewards.length}`);
  if (rewards.every((reward) => reward === rewards[0])) return rewards.map(() => 0);
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
  if (!divide) return rewards.map((reward) => reward - mean);
  const squares = rewards.reduce((sum, reward) => sum + (reward - mean) ** 2, 0);
  const std = Math.sqrt(squares / (rewards.length - 1));
  return rewards.map((reward) => (reward - mean) / (std + EPSILON));
}
