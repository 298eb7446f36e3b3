/** The part of OpenAI's chat completions API that the service speaks: requests and responses. */
import { z } from 'zod';
import type { Message } from '../../judge/pair.js';
import type { Completion, Question } from './complete.js';

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

/** The request in the form of the judge domain. */
export function questionOf(request: ChatRequest): Question {
  const messages: Message[] = request.messages.map(({ role, content: text }) => ({
    role: role === 'developer' ? 'system' : role,
    content: text,
  }));
  const limit = request.max_completion_tokens ?? request.max_tokens ?? Infinity;
  return { model: request.model, messages, limit, sample: request.seed ?? 0 };
}

const FINISH = { stop: 'stop', length: 'length', refusal: 'content_filter' } as const;

/** `seconds`: the service's time. */
export function completionObject(id: string, completion: Completion, seconds: number): object {
  const { promptTokens, completionTokens } = completion;
  return {
    id,
    object: 'chat.completion',
    created: seconds,
    model: completion.model,
    system_fingerprint: completion.source,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: completion.text, refusal: null },
        logprobs: null,
        finish_reason: FINISH[completion.finishReason],
      },
    ],
    usage: usageOf(promptTokens, completionTokens),
  };
}

function usageOf(prompt: number, completion: number): object {
  return { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion };
}

/** The same answer as server-sent events, a few words each. */
export function completionEvents(
  id: string,
  completion: Completion,
  seconds: number,
  includeUsage: boolean,
): string[] {
  const base = {
    id,
    object: 'chat.completion.chunk',
    created: seconds,
    model: completion.model,
    system_fingerprint: completion.source,
  };
  const chunk = (delta: object, finish: string | null): object => ({
    ...base,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  });
  const pieces = completion.text.match(/(?:\S*\s*){1,4}/g)?.filter((piece) => piece !== '') ?? [];
  const usage = usageOf(completion.promptTokens, completion.completionTokens);
  const events: object[] = [
    chunk({ role: 'assistant', content: '' }, null),
    ...pieces.map((piece) => chunk({ content: piece }, null)),
    chunk({}, FINISH[completion.finishReason]),
    ...(includeUsage ? [{ ...base, choices: [], usage }] : []),
  ];
  return [...events.map((event) => `data: ${JSON.stringify(event)}\n\n`), 'data: [DONE]\n\n'];
}

export function modelsBody(models: readonly string[]): string {
  return JSON.stringify({
    object: 'list',
    data: models.map((id) => ({ id, object: 'model', created: 0, owned_by: 'rmr1' })),
  });
}
