import type { OracleQuestion } from '../answer-cache.js';

/** What a provider is likely to count a call as before it has answered: a token is about four characters. */
export function estimatedTokens({ messages, maxTokens }: OracleQuestion): number {
  return Math.ceil(messages.reduce((sum, { content }) => sum + content.length, 0) / 4) + maxTokens;
}
