import type { Message } from '../pair.js';
import { tagSet, unwrap } from './delimiters.js';

/** What a judge is shown of a pair. */
export interface ShownPair {
  conversation: Message[];
  answerA: string;
  answerB: string;
}

const tags = tagSet([
  'question',
  '/question',
  'conversation',
  '/conversation',
  'system',
  '/system',
  'user',
  '/user',
  'assistant',
  '/assistant',
  'answer_A',
  '/answer_A',
  'answer_B',
  '/answer_B',
]);

const block = (tag: string, text: string): string => `<${tag}>\n${tags.escape(text)}\n</${tag}>`;

function isSingleTurn(conversation: Message[]): boolean {
  return conversation.length === 1 && conversation[0]?.role === 'user';
}

/** One question and two replies: the template for single-turn conversations. */
function singleTurn({ conversation, answerA, answerB }: ShownPair): string {
  return `The user asked:
${block('question', conversation[0]?.content ?? '')}

Reply A:
${block('answer_A', answerA)}

Reply B:
${block('answer_B', answerB)}`;
}

/** The turns in order and two candidate last turns: the template for everything else. */
function multiTurn({ conversation, answerA, answerB }: ShownPair): string {
  const turns = conversation.map(({ role, content }) => `${block(role, content)}\n`).join('');
  return `The conversation so far, oldest turn first:
<conversation>
${turns}</conversation>

Reply A to the last turn:
${block('answer_A', answerA)}

Reply B to the last turn:
${block('answer_B', answerB)}`;
}

/** Lay a pair out as readable sections. Nothing in it depends on which answer is preferred. */
export function layOut(shown: ShownPair): string {
  return isSingleTurn(shown.conversation) ? singleTurn(shown) : multiTurn(shown);
}

/** The inverse of {@link layOut}; undefined for text that it did not write. */
export function readLayout(text: string): ShownPair | undefined {
  const conversation: Message[] = [];
  let answerA: string | undefined;
  let answerB: string | undefined;
  for (const part of tags.split(text).parts) {
    const content = unwrap(part.text, '\n');
    const written = content === undefined ? undefined : tags.unescape(content);
    if (part.tag === 'answer_A') answerA = written;
    else if (part.tag === 'answer_B') answerB = written;
    else if (part.tag === 'question' && written !== undefined)
      conversation.push({ role: 'user', content: written });
    else if (
      (part.tag === 'system' || part.tag === 'user' || part.tag === 'assistant') &&
      written !== undefined
    ) {
      conversation.push({ role: part.tag, content: written });
    }
  }
  return answerA === undefined || answerB === undefined ? undefined : { conversation, answerA, answerB };
}
