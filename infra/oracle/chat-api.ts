/** The part of OpenAI's chat completions API that the service speaks: requests, responses, errors. */
import { z } from 'zod';
import type { Message } from '../../judge/pair.js';

const content = z.union([
  z.string(),
  z
    .array(z.object({ type: z.literal('text'), text: z.string() }))
    .transform((parts) => parts.map((part) => part.text).join('')),
]);

export const chatRequestSchema = z.object({
  model: z.string(),
  messages: z.array(z.object({ role: z.enum(['system', 'developer', 'user', 'assistant']), content })).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: z.int().positive().nullish(),
  max_completion_tokens: z.int().positive().nullish(),
  /** Tells samples of one question apart. */
  seed: z.int().nullish(),
  n: z.literal(1, 'this oracle answers once a request (n = 1)').nullish(),
});
export type ChatRequest = z.infer<typeof chatRequestSchema>;

/** The request's messages in the form of the judge domain. */
export function messagesOf(request: ChatRequest): Message[] {
  return request.messages.map(({ role, content: text }) => ({
    role: role === 'developer' ? 'system' : role,
    content: text,
  }));
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

export interface Completion {
  id: string;
  model: string;
  /** Where the verdict came from; sent as `system_fingerprint`. */
  source: string;
  text: string;
  finishReason: 'stop' | 'length';
  usage: Usage;
}

/** An error that reaches the client as OpenAI words it: `{error: {message, type, param, code}}`. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }

  get body(): string {
    const type =
      this.status >= 500 ? 'server_error' : this.status === 429 ? 'requests' : 'invalid_request_error';
    return JSON.stringify({ error: { message: this.message, type, param: null, code: this.code } });
  }
}

const created = (): number => Math.floor(Date.now() / 1000);

export function completionBody(completion: Completion): string {
  return JSON.stringify({
    id: completion.id,
    object: 'chat.completion',
    created: created(),
    model: completion.model,
    system_fingerprint: completion.source,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: completion.text, refusal: null },
        logprobs: null,
        finish_reason: completion.finishReason,
      },
    ],
    usage: completion.usage,
  });
}

/** The same answer as server-sent events, a few words each. */
export function completionEvents(completion: Completion, includeUsage: boolean): string[] {
  const base = {
    id: completion.id,
    object: 'chat.completion.chunk',
    created: created(),
    model: completion.model,
    system_fingerprint: completion.source,
  };
  const chunk = (delta: object, finish: string | null): object => ({
    ...base,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  });
  const pieces = completion.text.match(/(?:\S*\s*){1,4}/g)?.filter((piece) => piece !== '') ?? [];
  const events: object[] = [
    chunk({ role: 'assistant', content: '' }, null),
    ...pieces.map((piece) => chunk({ content: piece }, null)),
    chunk({}, completion.finishReason),
    ...(includeUsage ? [{ ...base, choices: [], usage: completion.usage }] : []),
  ];
  return [...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), 'data: [DONE]\n\n'];
}

export function modelsBody(models: readonly string[]): string {
  return JSON.stringify({
    object: 'list',
    data: models.map((id) => ({ id, object: 'model', created: 0, owned_by: 'rmr1' })),
  });
}

const TOKEN = /\w+|[^\s\w]/g;

/** Words and signs: what this service bills. */
export function countTokens(text: string): number {
  return text.match(TOKEN)?.length ?? 0;
}

/** The first `limit` tokens of `text`. */
export function cutTokens(text: string, limit: number): string {
  let seen = 0;
  for (const match of text.matchAll(TOKEN)) {
    seen += 1;
    if (seen === limit) return text.slice(0, match.index + match[0].length);
  }
  return text;
}
