/** What a distillation will ask and cost, before anything is asked. */
import type { Pair, PresentedPair } from '../../judge/pair.js';
import type { Recipe } from '../../recipes/schema.js';
import { isSelfTaught } from '../../recipes/self-taught.js';
import { generateWorld } from '../../world/index.js';
import { assignGold } from '../dataset/assign-gold.js';
import { firstInHashOrder, splitPairs } from '../dataset/index.js';
import { priceOf, worstPrice } from './budget.js';
import { selector } from './select-pairs.js';
import { modelOfPass, questionOf } from './shard-tasks.js';

/** Assumptions, said beside every estimate. RM-R1 keeps about three quarters in pass 1. */
export const ASSUMED = { bytesPerToken: 4, answerTokens: 600, secondPassShare: 0.25 } as const;

/** One pass, or one model of a cascade in pass 1: expected questions, tokens and USD, and the most it can cost. */
export interface PassEstimate {
  pass: 1 | 2;
  model: string;
  questions: number;
  inputTokens: number;
  outputTokens: number;
  /** Undefined where the recipe has no price for the model. */
  usd?: number;
  /** Every pair in this pass, the longest answers, a token a byte: the sum of what would be reserved. */
  atMostUsd?: number;
}

export interface DistillationEstimate {
  pairs: number;
  passes: PassEstimate[];
  usd?: number;
  atMostUsd?: number;
}

/**
 * Estimate from the very prompts that would be sent. Answers that are stored already would cost nothing; what a student
 * cannot read is not left out: both make the real cost lower.
 * @param data The user's pairs; absent for recipes that generate theirs.
 */
export function estimateDistillation(
  recipe: Recipe,
  seed: number,
  data?: readonly Pair[],
): DistillationEstimate {
  const isSent = selector(recipe.distill);
  const shown = assignGold(trainingPairs(recipe, seed, data), seed).filter((presented) => isSent(presented));
  const { cascade = [], model } = recipe.oracle;
  const asksNobody = isSelfTaught(recipe) || recipe.coldStart === true;
  const steps = asksNobody ? [] : [...cascade, model];
  const passes = steps.map((step, index) => passEstimate(recipe, { pass: 1, model: step, index }, shown));
  if (recipe.distill.secondPass && !asksNobody) {
    const corrects = { pass: 2, model: modelOfPass(recipe.oracle, 2), index: steps.length } as const;
    passes.push(passEstimate(recipe, corrects, shown));
  }
  const sum = (of: (pass: PassEstimate) => number | undefined) =>
    passes.reduce<number | undefined>((total, pass) => {
      const part = of(pass);
      return total === undefined || part === undefined ? undefined : total + part;
    }, 0);
  const usd = sum((pass) => pass.usd);
  const atMostUsd = sum((pass) => pass.atMostUsd);
  return {
    pairs: shown.length,
    passes,
    ...(usd === undefined || atMostUsd === undefined ? {} : { usd, atMostUsd }),
  };
}

function trainingPairs(recipe: Recipe, seed: number, data: readonly Pair[] | undefined): Pair[] {
  const { source, world, validationShare, testShare, maxPairs } = recipe.data;
  if (source === 'world') return world ? generateWorld({ seed, ...world }).train : [];
  const pairs = data ?? [];
  const taken = maxPairs ? firstInHashOrder(pairs, maxPairs, seed) : [...pairs];
  const { train } = splitPairs(taken, { validationShare, testShare, seed });
  return firstInHashOrder(train, Infinity, seed);
}

/** @param index Steps before this one: each leaves the assumed share. */
function passEstimate(
  { oracle: asker, distill }: Recipe,
  { pass, model, index }: { pass: 1 | 2; model: string; index: number },
  shown: readonly PresentedPair[],
): PassEstimate {
  const oracle = pass === 1 ? { ...asker, model } : asker;
  const factor = oracle.mode === 'batch' ? oracle.batch.priceFactor : 1;
  const share = ASSUMED.secondPassShare ** index;
  const answerTokens = Math.min(ASSUMED.answerTokens, oracle.maxTokens);
  // The flawed judgement of pass 2 is not there yet: one of the assumed length stands for it.
  const flawed = pass === 1 ? undefined : 'x'.repeat(answerTokens * ASSUMED.bytesPerToken);
  const longest = pass === 1 ? undefined : 'x'.repeat(oracle.maxTokens * ASSUMED.bytesPerToken);
  let bytes = 0;
  let atMostUsd = 0;
  for (const presented of shown) {
    const asked = { oracle, promptVersion: distill.promptVersion };
    for (const { content } of questionOf(asked, presented, flawed).messages)
      bytes += Buffer.byteLength(content);
    atMostUsd += factor * worstPrice(oracle, questionOf(asked, presented, longest));
  }
  const inputTokens = Math.round((share * bytes) / ASSUMED.bytesPerToken);
  const questions = Math.round(share * shown.length);
  const outputTokens = questions * answerTokens;
  return {
    pass,
    model,
    questions,
    inputTokens,
    outputTokens,
    ...(Object.hasOwn(oracle.price, model)
      ? { usd: factor * priceOf(oracle, model, { inputTokens, outputTokens }), atMostUsd }
      : {}),
  };
}
