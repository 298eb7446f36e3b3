import type { Message } from '../pair.js';
import { layOut, readLayout } from './layout.js';
import type { ShownPair } from './layout.js';

/**
 * For models that already reason (RM-R1's distilled variant): one user message with a plain instruction and the two
 * verdict forms; no types, no rubric.
 */
const INSTRUCTION = `Two assistants replied to the same user. Decide, without favour to either, which reply serves the user better. Look at whether it does what was asked, whether it is true, safe, relevant and clear, and at nothing else: the order of the replies, their length and their layout are no merit. Think it through first. Then end with your verdict and nothing after it: <answer>[[A]]</answer> if reply A is better, <answer>[[B]]</answer> if reply B is better. There are no ties.`;

/** One message with a plain instruction and the pair. */
export function buildPlainV1(shown: ShownPair): Message[] {
  return [{ role: 'user', content: `${INSTRUCTION}\n\n${layOut(shown)}` }];
}

/** The inverse of {@link buildPlainV1}; undefined for messages that it did not write. */
export function extractPlainV1(messages: Message[]): ShownPair | undefined {
  const [message] = messages;
  const head = `${INSTRUCTION}\n\n`;
  if (message?.role !== 'user' || !message.content.startsWith(head)) return undefined;
  return readLayout(message.content.slice(head.length));
}
