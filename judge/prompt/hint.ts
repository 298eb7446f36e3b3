import type { Message, Position, PresentedPair } from '../pair.js';
import { buildPrompt } from './build.js';
import type { PromptVersion } from './versions.js';

const CORRECTION = /^That verdict is wrong: \[\[([AB])\]\] is the better reply\./;

/**
 * The messages of the second distillation pass (RM-R1, section 3.3): the prompt of the first pass, the judgement that
 * came out wrong, and a correction that names the gold verdict.
 */
export function hintMessages(
  version: PromptVersion,
  presented: PresentedPair,
  flawedJudgement: string,
): Message[] {
  const correction = `That verdict is wrong: [[${presented.gold}]] is the better reply. Find where the judgement went astray, and write it anew from its first step in the same form, with reasons that stand on the replies alone. Mention neither this correction nor the earlier judgement, and end with <answer>[[${presented.gold}]]</answer>.`;
  return [
    ...buildPrompt(version, presented),
    { role: 'assistant', content: flawedJudgement },
    { role: 'user', content: correction },
  ];
}

/** The hint in messages made by {@link hintMessages}; undefined if there is none. */
export function extractHint(messages: Message[]): { gold: Position; flawedJudgement: string } | undefined {
  const [flawed, correction] = messages.slice(-2);
  if (messages.length < 3 || flawed?.role !== 'assistant' || correction?.role !== 'user') return undefined;
  const gold = CORRECTION.exec(correction.content)?.[1];
  return gold === 'A' || gold === 'B' ? { gold, flawedJudgement: flawed.content } : undefined;
}
