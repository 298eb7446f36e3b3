/** Self-bootstrapping (TIR-Judge-Zero): no oracle; the student learns from its own judgements that turned out right. */
import type { Recipe } from './schema.js';

/** What decides it. */
export type Fields = Pick<Recipe, 'oracle' | 'distill'>;

/** Judgements drawn of each pair, and rounds of sampling and fine-tuning, where the recipe says nothing else. */
const DEFAULTS = { samples: 4, rounds: 3 } as const;

/** Whether a recipe does without an oracle: the student judges, and learns from what it got right. */
export function isSelfTaught({ oracle }: Pick<Recipe, 'oracle'>): boolean {
  return oracle.provider === 'none';
}

/** Judgements that the student draws of each pair; undefined where it draws none. */
export function studentSamples(recipe: Fields): number | undefined {
  return recipe.distill.studentSamples ?? (isSelfTaught(recipe) ? DEFAULTS.samples : undefined);
}

/** How often traces are drawn and the base is fine-tuned on them. */
export function roundsOf(recipe: Fields): number {
  return isSelfTaught(recipe) ? (recipe.distill.rounds ?? DEFAULTS.rounds) : 1;
}
