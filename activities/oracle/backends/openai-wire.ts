/** Questions and answers in the wire format of OpenAI's chat completions, asked one by one or in batches. */
import type OpenAI from 'openai';
import { z } from 'zod';
import type { OracleQuestion } from '../answer-cache.js';
import type { ProviderAnswer } from './backend.js';

/** Hosted reasoning models take neither `temperature` nor `max_tokens`. */
const REASONING_MODEL = /^(o\d|gpt-5)/;

export function chatBody(question: OracleQuestion): OpenAI.ChatCompletionCreateParamsNonStreaming {
  const { model, messages, temperature, maxTokens, sample } = question;
  const samples = sample === 0 ? {} : { seed: sample };
  return REASONING_MODEL.test(model)
    ? { model, messages, max_completion_tokens: maxTokens, ...samples }
    : { model, messages, temperature, max_tokens: maxTokens, ...samples };
}

/** Loose: gateways leave fields out and add their own. */
const completionSchema = z.object({
  choices: z
    .array(
      z.object({
        message: z.object({ content: z.string().nullish(), refusal: z.string().nullish() }),
        finish_reason: z.string().nullish(),
      }),
    )
    .min(1),
  usage: z.object({ prompt_tokens: z.number(), completion_tokens: z.number() }).nullish(),
  system_fingerprint: z.string().nullish(),
});

/** @throws SyntaxError where it is no completion. */
export function answerOfCompletion(completion: unknown): ProviderAnswer {
  const parsed = completionSchema.safeParse(completion);
  if (!parsed.success) {
    const path = parsed.error.issues[0]?.path.join('.') ?? '';
    throw new SyntaxError(`the answer is no chat completion (${path || 'not an object'})`);
  }
  const { choices, usage, system_fingerprint: fingerprint } = parsed.data;
  const { message, finish_reason: finish } = choices[0]!;
  return {
    text: message.content ?? '',
    // A refusal in words is the model's content policy too.
    finishReason: message.refusal ? 'content_filter' : (finish ?? 'stop'),
    inputTokens: usage?.prompt_tokens ?? 0,
    outputTokens: usage?.completion_tokens ?? 0,
    ...(fingerprint ? { fingerprint } : {}),
  };
}
