/** Errors of a provider that are about one question, not about the service: an answer of a kind, and not billed. */
import type { ProviderAnswer } from './backends/backend.js';

const CONTEXT = /context.{0,10}(length|window|size)|maximum context|prompt is too long|too many tokens/i;
const POLICY = /content.{0,3}(policy|filter)|content management policy/i;

/** The HTTP error behind what a backend threw, as both official SDKs shape it. */
interface HttpError {
  status: number;
  code?: unknown;
  message: string;
}

/**
 * What `error` says about the question: that its prompt is over the model's context, or refused by policy.
 * Undefined for every other error, which concerns all questions.
 */
export function refusalOf(error: unknown): ProviderAnswer | undefined {
  const http = httpErrorOf(error);
  if (!http || ![400, 403, 413, 422].includes(http.status)) return undefined;
  const said = `${typeof http.code === 'string' ? http.code : ''} ${http.message}`;
  const finishReason = CONTEXT.test(said)
    ? 'context_length'
    : POLICY.test(said) || http.code === 'content_filter'
      ? 'content_filter'
      : undefined;
  return finishReason && { text: '', finishReason, inputTokens: 0, outputTokens: 0 };
}

/** Whether the provider answered with an error status: it then bills nothing. Silence and cut answers may be billed. */
export function isUnbilled(error: unknown): boolean {
  return httpErrorOf(error) !== undefined;
}

function httpErrorOf(error: unknown): HttpError | undefined {
  const { cause, status } = error as { cause?: unknown; status?: unknown };
  if (typeof status === 'number') return error as HttpError;
  return typeof cause === 'object' && cause !== null ? httpErrorOf(cause) : undefined;
}
