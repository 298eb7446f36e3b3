import { KINDS, sectionOf } from './kinds/index.js';

/** Share of each category; the numbers need not add up to one. */
export type Mix = Readonly<Record<string, number>>;

/** Give each section its weight, shared evenly by its kinds. */
function bySection(weights: Readonly<Record<string, number>>): Mix {
  const sizes = new Map<string, number>();
  for (const { category } of KINDS) sizes.set(sectionOf(category), (sizes.get(sectionOf(category)) ?? 0) + 1);
  return Object.fromEntries(
    KINDS.map(({ category }) => {
      const section = sectionOf(category);
      return [category, (weights[section] ?? 0) / (sizes.get(section) ?? 1)];
    }),
  );
}

/** Validation and test: the four sections weigh the same, as in RewardBench's score. */
export const TEST_MIX: Mix = bySection({ chat: 1, 'chat-hard': 1, safety: 1, reasoning: 1 });

/** Training pairs: more of what takes more steps. */
export const TRAIN_MIX: Mix = bySection({ chat: 1.2, 'chat-hard': 3, safety: 1, reasoning: 4.8 });

/** Whole numbers in proportion to `mix` that add up to `total` (largest remainders first). */
export function apportion(total: number, mix: Mix): Map<string, number> {
  const sum = Object.values(mix).reduce((a, b) => a + b, 0);
  const exact = Object.entries(mix).map(([category, weight]) => ({
    category,
    share: (total * weight) / sum,
  }));
  const counts = new Map(exact.map(({ category, share }) => [category, Math.floor(share)]));
  const left = total - [...counts.values()].reduce((a, b) => a + b, 0);
  exact
    .sort((a, b) => (b.share % 1) - (a.share % 1) || (a.category < b.category ? -1 : 1))
    .slice(0, left)
    .forEach(({ category }) => counts.set(category, (counts.get(category) ?? 0) + 1));
  return counts;
}
