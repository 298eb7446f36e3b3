import type { Message, PresentedPair } from '../pair.js';
import { buildCompactV1, extractCompactV1 } from './compact-v1.js';
import { buildCorV1, extractCorV1 } from './cor-v1.js';
import type { ShownPair } from './layout.js';
import { buildPlainV1, extractPlainV1 } from './plain-v1.js';
import { PROMPT_VERSIONS, type PromptVersion } from './versions.js';

const BUILD: Record<PromptVersion, (shown: ShownPair) => Message[]> = {
  'cor-v1': buildCorV1,
  'plain-v1': buildPlainV1,
  'compact-v1': buildCompactV1,
};
const EXTRACT: Record<PromptVersion, (messages: Message[]) => ShownPair | undefined> = {
  'cor-v1': extractCorV1,
  'plain-v1': extractPlainV1,
  'compact-v1': extractCompactV1,
};

/** The messages that ask a judge about a pair. They depend on the texts and their order only, never on the gold verdict. */
export function buildPrompt(version: PromptVersion, presented: PresentedPair): Message[] {
  const { pair, answerA, answerB } = presented;
  return BUILD[version]({ conversation: pair.conversation, answerA, answerB });
}

/**
 * The inverse of {@link buildPrompt}: what the messages ask about, whatever its texts contain. Messages after those
 * of the prompt (see `hintMessages`) are ignored. Undefined for messages that are not of any version.
 */
export function extractPair(messages: Message[]): (ShownPair & { version: PromptVersion }) | undefined {
  for (const version of PROMPT_VERSIONS) {
    const shown = EXTRACT[version](messages);
    if (shown !== undefined) return { ...shown, version };
  }
  return undefined;
}
