import type { Message } from '../pair.js';
import { tagSet } from './delimiters.js';
import type { ShownPair } from './layout.js';

/**
 * For models trained from scratch that cannot read instructions: only the conversation and both answers, marked by
 * one short tag each. The judgement has the same Chain-of-Rubrics form as under `cor-v1`.
 */
const tags = tagSet(['system', 'user', 'assistant', 'A', 'B']);

/** The tags in the order of a vocabulary; tokenizers should give each a token of its own. */
export const COMPACT_TAGS = ['<system>', '<user>', '<assistant>', '<A>', '<B>'] as const;

const part = (tag: string, text: string): string => `<${tag}> ${tags.escape(text)}`;

/** The pair alone, between tags: for small students that learn the task from their traces. */
export function buildCompactV1({ conversation, answerA, answerB }: ShownPair): Message[] {
  const parts = [
    ...conversation.map(({ role, content }) => part(role, content)),
    part('A', answerA),
    part('B', answerB),
  ];
  return [{ role: 'user', content: parts.join(' ') }];
}

/** The inverse of {@link buildCompactV1}; undefined for messages that it did not write. */
export function extractCompactV1(messages: Message[]): ShownPair | undefined {
  const [message] = messages;
  if (message?.role !== 'user') return undefined;
  const { before, parts } = tags.split(message.content);
  if (before !== '') return undefined;
  // Between two tags stands a space on either side; after the last tag only before the text.
  const texts = parts
    .map(({ text }, i) => (i < parts.length - 1 ? text.slice(1, -1) : text.slice(1)))
    .map(tags.unescape);
  const last = parts.length - 1;
  if (parts[last - 1]?.tag !== 'A' || parts[last]?.tag !== 'B') return undefined;
  const conversation: Message[] = [];
  for (const [i, { tag }] of parts.slice(0, -2).entries()) {
    if (tag !== 'system' && tag !== 'user' && tag !== 'assistant') return undefined;
    conversation.push({ role: tag, content: texts[i] ?? '' });
  }
  return { conversation, answerA: texts[last - 1] ?? '', answerB: texts[last] ?? '' };
}
