/** Readings of the scoring rules that published numbers differ in; each is asked for by name and named in results. */

export const CONVENTIONS = ['errors-half', 'ties-lose', 'prior-sets', 'release-cells'] as const;
export type Convention = (typeof CONVENTIONS)[number];

/** One sentence each, for results and help. */
export const CONVENTION_MEANING: Record<Convention, string> = {
  'errors-half': 'a verdict that names both answers or none counts 0.5 (RewardBench’s own generative script)',
  'ties-lose': 'a declared tie counts 0 (RM-Bench’s rule; without it a declared tie counts 0.5)',
  'prior-sets':
    'the score takes in the mean of the four prior sets with half the weight of a section (RewardBench’s first leaderboard)',
  'release-cells':
    'three RM-Bench cells are read from a wrong file, as RM-R1’s released script does; for comparison with its numbers only',
};

/** The rule that holds where no convention changes it. */
export const DEFAULT_RULE =
  'errors count 0, a declared tie 0.5 in pairs and a loss in best-of-N, scores decide by strict >';
