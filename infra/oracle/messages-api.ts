/** The part of Anthropic's Messages API that the service speaks: requests and responses. */
import { z } from 'zod';
import type { Message } from '../../judge/pair.js';
import type { Completion, Question } from './complete.js';

const content = z.union([
  z.string(),
  z
    .array(z.object({ type: z.literal('text'), text: z.string() }))
    .transform((parts) => parts.map((part) => part.text).join('')),
]);

/** Like the API, it refuses fields that it does not know. */
export const messageRequestSchema = z.strictObject({
  model: z.string(),
  max_tokens: z.int().positive(),
  messages: z.array(z.strictObject({ role: z.enum(['user', 'assistant']), content })).min(1),
  system: content.optional(),
  stop_sequences: z.array(z.string()).optional(),
  metadata: z.strictObject({ user_id: z.string().nullish() }).optional(),
  stream: z.literal(false, 'this service does not stream messages').optional(),
});
export type MessageRequest = z.infer<typeof messageRequestSchema>;

export function messageQuestion(request: MessageRequest): Question {
  const messages: Message[] = [
    ...(request.system === undefined ? [] : [{ role: 'system' as const, content: request.system }]),
    ...request.messages,
  ];
  return { model: request.model, messages, limit: request.max_tokens, sample: 0 };
}

const STOP = { stop: 'end_turn', length: 'max_tokens', refusal: 'refusal' } as const;

export function messageObject(id: string, completion: Completion): object {
  return {
    id,
    type: 'message',
    role: 'assistant',
    model: completion.model,
    content: completion.text === '' ? [] : [{ type: 'text', text: completion.text, citations: null }],
    stop_reason: STOP[completion.finishReason],
    stop_sequence: null,
    usage: {
      input_tokens: completion.promptTokens,
      output_tokens: completion.completionTokens,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      service_tier: 'standard',
    },
  };
}

export function anthropicModelsBody(models: readonly string[]): string {
  return JSON.stringify({
    data: models.map((id) => ({
      id,
      type: 'model',
      display_name: id,
      created_at: '1970-01-01T00:00:00Z',
    })),
    has_more: false,
    first_id: models[0] ?? null,
    last_id: models.at(-1) ?? null,
  });
}
