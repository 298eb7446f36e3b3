import type { Message, Position } from '../../judge/pair.js';
import type { TaskType } from '../../judge/trace.js';
import type { Draws } from '../random.js';

/** A problem before it is dressed in a style: what is asked, and the content of a good and of a bad reply. */
export interface Item {
  /** Identifies the problem; the splits divide these keys. */
  key: string;
  conversation: Message[];
  good: string;
  bad: string;
}

/** What the expert writes about one answer. */
export interface Check {
  /** The part of `<eval>` on this answer, in steps that are look-ups of one token each. */
  steps: string;
  good: boolean;
}

/** A question as the expert understands it. */
export interface Task {
  type: TaskType;
  /** The inside of `<solution>` (Reasoning) or `<rubric>` (Chat). */
  lead: string;
  /** Look at one answer; undefined if its text does not belong to this kind of question. */
  check: (answer: string, position: Position) => Check | undefined;
  /**
   * The same question in the eyes of a judge who makes one plausible mistake and so takes the (wrong) `answer` for
   * right and a right one for wrong.
   */
  misledBy: (answer: string) => Task;
}

/** One kind of preference problem: how to make one and how to read one back from its text. */
export interface Kind {
  category: string;
  draw: (draws: Draws) => Item;
  read: (conversation: Message[]) => Task | undefined;
}

/** The question of a single-turn conversation. */
export function singleQuestion(conversation: Message[]): string | undefined {
  const [message] = conversation;
  return conversation.length === 1 && message?.role === 'user' ? message.content : undefined;
}

export function ask(question: string): Message[] {
  return [{ role: 'user', content: question }];
}

/** A Chat task: a mistaken judge writes the same rubric and reads the decisive word of each answer the wrong way. */
export function chatTask(
  rubric: string,
  look: (answer: string, position: Position, mistaken: boolean) => Check | undefined,
): Task {
  const task = (mistaken: boolean): Task => ({
    type: 'Chat',
    lead: rubric,
    check: (answer, position) => look(answer, position, mistaken),
    misledBy: () => task(true),
  });
  return task(false);
}

/** `<quote_A> word </quote_A> label ok`: the evidence, what it shows, and whether that is good. */
export function quoted(position: Position, quote: string, label: string, good: boolean): Check {
  return { steps: `<quote_${position}> ${quote} </quote_${position}> ${label} ${mark(good)}`, good };
}

/** `<summary_A> … </summary_A> ok`. */
export function summarised(position: Position, summary: string, good: boolean, conclusion = ''): Check {
  return {
    steps: `<summary_${position}> ${summary} </summary_${position}>${conclusion} ${mark(good)}`,
    good,
  };
}

/** `fox vs cat differ`: what is compared stands side by side, so that the outcome is a look-up. */
export function compared(found: string, expected: string, same: boolean): string {
  return `${found} vs ${expected} ${same ? 'same' : 'differ'}`;
}

export function mark(good: boolean): string {
  return good ? 'ok' : 'bad';
}
