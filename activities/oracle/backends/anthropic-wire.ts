/** Questions and answers in the wire format of Anthropic's messages, asked one by one or in batches. */
import type Anthropic from '@anthropic-ai/sdk';
import { z } from 'zod';
import type { OracleQuestion } from '../answer-cache.js';
import type { ProviderAnswer } from './backend.js';

/** The API takes no sampling temperature and no seed: `temperature` and `sample` have no effect there. */
export function messageParams({
  model,
  messages,
  maxTokens,
}: OracleQuestion): Anthropic.MessageCreateParamsNonStreaming {
  const system = messages.filter(({ role }) => role === 'system').map(({ content }) => content);
  return {
    model,
    max_tokens: maxTokens,
    ...(system.length > 0 ? { system: system.join('\n\n') } : {}),
    messages: messages.flatMap(({ role, content }) => (role === 'system' ? [] : [{ role, content }])),
  };
}

const messageSchema = z.object({
  content: z.array(z.object({ type: z.string(), text: z.string().optional() })),
  stop_reason: z.string().nullish(),
  usage: z.object({
    input_tokens: z.number(),
    output_tokens: z.number(),
    cache_creation_input_tokens: z.number().nullish(),
    cache_read_input_tokens: z.number().nullish(),
  }),
});

/** Stop reasons in the words of OpenAI's API. */
const FINISH: Record<string, string> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  refusal: 'content_filter',
};

/** @throws SyntaxError where it is no message. */
export function answerOfMessage(message: unknown): ProviderAnswer {
  const parsed = messageSchema.safeParse(message);
  if (!parsed.success) {
    const path = parsed.error.issues[0]?.path.join('.') ?? '';
    throw new SyntaxError(`the answer is no message (${path || 'not an object'})`);
  }
  const { content, stop_reason: stop, usage } = parsed.data;
  return {
    text: content.map(({ type, text }) => (type === 'text' ? (text ?? '') : '')).join(''),
    finishReason: stop ? (FINISH[stop] ?? stop) : 'stop',
    inputTokens:
      usage.input_tokens + (usage.cache_creation_input_tokens ?? 0) + (usage.cache_read_input_tokens ?? 0),
    outputTokens: usage.output_tokens,
  };
}
