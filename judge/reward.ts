import type { Position } from './pair.js';
import { finalVerdict, tail } from './verdict.js';

/** Where the reward looks for the verdict: the last characters of the decoded text, special tokens skipped. */
const REWARD_WINDOW = 80;
/** Where the distillation filter looks for it. */
export const ORACLE_WINDOW = 100;

/** White space inside the tag is tolerated, because word-level tokenizers print a space between tokens. */
const ANSWER_TAG = {
  A: /<answer>\s*\[\[A\]\]\s*<\/answer>/,
  B: /<answer>\s*\[\[B\]\]\s*<\/answer>/,
} as const;

/**
 * The correctness reward of RM-R1's reinforcement stage: +1 if the last 80 characters hold the gold answer tag and
 * do not name the other answer, −1 otherwise. There is no format reward.
 */
export function correctnessReward(text: string, gold: Position): 1 | -1 {
  const end = tail(text, REWARD_WINDOW);
  return ANSWER_TAG[gold].test(end) && finalVerdict(end, REWARD_WINDOW) === gold ? 1 : -1;
}

/**
 * Whether an oracle's judgement agrees with the gold label and is kept as a trace (RM-R1, distillation):
 * the gold `[[X]]` stands in the last 100 characters and the other does not.
 */
export function oracleAgrees(text: string, gold: Position): boolean {
  return finalVerdict(text, ORACLE_WINDOW) === gold;
}
