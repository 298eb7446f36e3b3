/** One JSON value of a data file → one `Pair`, or everything that is wrong with it. */
import { z } from 'zod';
import type { Message, Pair } from '../../judge/pair.js';
import type { Problem } from './bad-data.js';
import { contentKey } from './normalise.js';
import { isTranscript, parseTranscript } from './transcript.js';

/** Faults of content, not of form: a data set of real size always has a few; such pairs may be dropped. */
export const CONTENT_FAULTS = {
  equalAnswers: 'chosen and rejected are the same; a pair needs two different answers',
  emptyAnswer: 'is empty; both answers need text',
  conversationsDiffer: 'has a different conversation from chosen; both must answer the same conversation',
} as const;
export type ContentFault = keyof typeof CONTENT_FAULTS;

/** Shapes a record can have, counted in the report. */
export type RecordShape = 'transcript' | 'prompt' | 'messages';

export type ParsedRecord =
  | { ok: true; pair: Pair; shape: RecordShape; givenId: boolean }
  | { ok: false; fault?: ContentFault; problems: Problem[] };

/** Fields of a record that a message lists. */
const MOST_NAMES = 8;
const DEFAULT_CATEGORY = 'uncategorised';
const PROMPT_FIELDS = ['prompt', 'question', 'conversation', 'messages'] as const;

const messages = z
  .array(
    z.looseObject(
      {
        role: z.enum(['system', 'user', 'assistant'], 'must be "system", "user" or "assistant"'),
        content: z
          .string('must be text')
          .refine((text) => text.trim() !== '', 'is empty; remove the turn or fill it'),
      },
      'must be an object {"role", "content"}',
    ),
  )
  .min(1, 'is an empty list; give at least one message');

const options = {
  category: z
    .string('must be text, for example "reasoning/add"')
    .trim()
    .min(1, 'is empty; leave it out or name a category'),
  magnitude: z.int('must be 1, 2 or 3').min(1, 'must be 1, 2 or 3').max(3, 'must be 1, 2 or 3'),
  styles: z.strictObject(
    { chosen: z.int().min(0).max(2), rejected: z.int().min(0).max(2) },
    'must be {"chosen": 0–2, "rejected": 0–2}',
  ),
  group: z.string('must be text').min(1, 'is empty; leave it out'),
  id: z.union([z.string().trim().min(1), z.int()], 'must be text or a whole number, not empty'),
};

class RecordProblems {
  readonly found: Problem[] = [];
  add(field: string, message: string): undefined {
    this.found.push({ field, message });
    return undefined;
  }
  check<T>(field: string, schema: z.ZodType<T>, value: unknown): T | undefined {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    const path = (issue?.path ?? [])
      .map((key) => (typeof key === 'number' ? `[${key}]` : `.${String(key)}`))
      .join('');
    return this.add(field + path, issue?.message ?? 'is not valid');
  }
}

/** An answer field split into the conversation it repeats (none for plain text) and the answer itself. */
interface Side {
  prefix: Message[];
  answer: string;
  shape: RecordShape;
}

/**
 * Read one record. Accepted: `{chosen, rejected}` as HH-RLHF transcripts or as message lists that end with the
 * answer; or `{prompt | question | conversation | messages, chosen, rejected}` with answers as text or message
 * lists. Optional `category`, `magnitude`, `id`, `styles`, `group`. Other fields are ignored.
 */
export function parseRecord(record: unknown): ParsedRecord {
  const problems = new RecordProblems();
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    const kind = Array.isArray(record) ? 'a list' : JSON.stringify(record)?.slice(0, 40);
    return {
      ok: false,
      problems: [{ message: `is ${kind}, not a JSON object {"chosen": …, "rejected": …}` }],
    };
  }
  const fields = record as Record<string, unknown>;
  const promptField = PROMPT_FIELDS.find((name) => present(fields[name]));
  const prompt = promptField ? promptOf(promptField, fields[promptField], problems) : undefined;
  const chosen = sideOf('chosen', fields, promptField !== undefined, problems);
  const rejected = sideOf('rejected', fields, promptField !== undefined, problems);
  const extras = extrasOf(fields, problems);
  if (problems.found.length > 0 || !chosen || !rejected) return { ok: false, problems: problems.found };

  const fault = (kind: ContentFault, field: string): ParsedRecord => ({
    ok: false,
    fault: kind,
    problems: [{ field, message: CONTENT_FAULTS[kind] }],
  });
  if (chosen.answer.trim() === '') return fault('emptyAnswer', 'chosen');
  if (rejected.answer.trim() === '') return fault('emptyAnswer', 'rejected');
  if (!sameTurns(chosen.prefix, rejected.prefix)) return fault('conversationsDiffer', 'rejected');
  if (chosen.answer.trim() === rejected.answer.trim()) return fault('equalAnswers', 'rejected');

  const conversation = conversationOf(prompt, promptField, chosen.prefix, problems);
  if (!conversation) return { ok: false, problems: problems.found };
  const content = { conversation, chosen: chosen.answer, rejected: rejected.answer };
  const pair: Pair = {
    id: extras.id === undefined ? contentKey(content).slice(0, 16) : String(extras.id),
    ...content,
    category: extras.category ?? DEFAULT_CATEGORY,
    ...(extras.magnitude !== undefined && { magnitude: extras.magnitude }),
    ...(extras.styles !== undefined && { styles: extras.styles }),
    ...(extras.group !== undefined && { group: extras.group }),
  };
  return { ok: true, pair, shape: chosen.shape, givenId: extras.id !== undefined };
}

/** Exporters write `null` for a field that is not there. */
function present(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function promptOf(field: string, value: unknown, problems: RecordProblems): Message[] | undefined {
  if (typeof value !== 'string') {
    if (!Array.isArray(value)) return problems.add(field, 'must be text or a list of {"role", "content"}');
    return problems.check(field, messages, value)?.map(turn);
  }
  if (value.trim() === '') return problems.add(field, 'is empty; give the question the answers reply to');
  if (!isTranscript(value)) return [{ role: 'user', content: value }];
  const turns = parseTranscript(value);
  // A transcript used as a prompt often ends with the label the model is to continue.
  if (turns.at(-1)?.role === 'assistant' && turns.at(-1)?.content === '') turns.pop();
  return turns;
}

function sideOf(
  field: 'chosen' | 'rejected',
  fields: Record<string, unknown>,
  hasPrompt: boolean,
  problems: RecordProblems,
): Side | undefined {
  const value = fields[field];
  if (value === null) return problems.add(field, 'is null; give the answer as text or as a list of messages');
  if (value === undefined)
    return problems.add(
      field,
      `is missing among ${namesOf(fields)}; give the answer as text or as a list of messages`,
    );
  if (typeof value === 'string') {
    if (hasPrompt) return { prefix: [], answer: value, shape: 'prompt' };
    if (value.trim() === '') return { prefix: [], answer: '', shape: 'transcript' };
    return transcriptSide(field, value, problems);
  }
  if (!Array.isArray(value)) return problems.add(field, 'must be text or a list of {"role", "content"}');
  const turns = problems.check(field, messages, answerMayBeEmpty(value))?.map(turn);
  if (!turns) return undefined;
  const last = turns.at(-1);
  if (last?.role !== 'assistant')
    return problems.add(field, 'must end with an assistant message: that is the answer');
  const answer = isEmptyAnswer(value) ? '' : last.content;
  return { prefix: turns.slice(0, -1), answer, shape: 'messages' };
}

/** Of what a record has, so that a name that is misspelt shows. */
function namesOf(fields: Record<string, unknown>): string {
  const names = Object.keys(fields);
  const some = names.slice(0, MOST_NAMES).map((name) => JSON.stringify(name.slice(0, 40)));
  return `${some.join(', ') || 'no fields'}${names.length > MOST_NAMES ? ', …' : ''}`;
}

/** An empty last answer is a fault of content, reported as such and not as a wrong shape. */
function answerMayBeEmpty(value: unknown[]): unknown[] {
  if (!isEmptyAnswer(value)) return value;
  return [...value.slice(0, -1), { role: 'assistant', content: '-' }];
}
function isEmptyAnswer(value: unknown[]): boolean {
  const last = value.at(-1) as Partial<Message> | null | undefined;
  return last?.role === 'assistant' && typeof last.content === 'string' && last.content.trim() === '';
}

function transcriptSide(field: string, text: string, problems: RecordProblems): Side | undefined {
  if (!isTranscript(text))
    return problems.add(
      field,
      'has no conversation: add a "prompt" field, or write a transcript that starts with "Human:"',
    );
  const turns = parseTranscript(text);
  const last = turns.pop();
  if (last?.role !== 'assistant')
    return problems.add(field, 'ends with a Human turn; the last turn must be the Assistant answer to judge');
  if (turns.some(({ content }) => content === ''))
    return problems.add(field, 'has an empty turn before the answer; remove it or fill it');
  return { prefix: turns, answer: last.content, shape: 'transcript' };
}

function extrasOf(fields: Record<string, unknown>, problems: RecordProblems) {
  const optional = <T>(name: string, schema: z.ZodType<T>): T | undefined =>
    present(fields[name]) ? problems.check(name, schema, fields[name]) : undefined;
  return {
    category: optional('category', options.category),
    magnitude: optional('magnitude', options.magnitude),
    styles: optional('styles', options.styles),
    group: optional('group', options.group),
    id: optional('id', options.id),
  };
}

/** The conversation from the prompt field, from the answers' own turns, or from both where they agree. */
function conversationOf(
  prompt: Message[] | undefined,
  field: string | undefined,
  prefix: Message[],
  problems: RecordProblems,
): Message[] | undefined {
  const conversation = prefix.length > 0 ? prefix : prompt;
  if (!conversation || conversation.length === 0)
    return problems.add(
      'chosen',
      'has no question before the answer; add a "prompt" field or a user message',
    );
  if (prompt && field && prefix.length > 0 && !repeats(prefix, prompt))
    return problems.add(field, 'differs from the turns before the answer in chosen; keep one of the two');
  if (conversation.at(-1)?.role !== 'user')
    return problems.add(
      prefix.length > 0 ? 'chosen' : (field ?? 'chosen'),
      'must have a user turn last before the answers',
    );
  return conversation;
}

/** True where `prefix` says what `prompt` says: the same turns, or the prompt as its last question. */
function repeats(prefix: Message[], prompt: Message[]): boolean {
  if (sameTurns(prefix, prompt)) return true;
  const [only] = prompt;
  // Some sets repeat the whole chosen exchange in `messages`.
  if (prompt.length === prefix.length + 1) return sameTurns(prefix, prompt.slice(0, -1));
  return prompt.length === 1 && only?.role === 'user' && sameText(prefix.at(-1)?.content, only.content);
}

function sameTurns(a: Message[], b: Message[]): boolean {
  return (
    a.length === b.length &&
    a.every((turn, i) => turn.role === b[i]?.role && sameText(turn.content, b[i]?.content))
  );
}
function sameText(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && a.trim() === b?.trim();
}
function turn({ role, content }: Message): Message {
  return { role, content };
}
