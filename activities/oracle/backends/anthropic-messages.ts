/** Anthropic's Messages API. */
import type Anthropic from '@anthropic-ai/sdk';
import type { Recipe } from '../../../recipes/schema.js';
import type { OracleQuestion } from '../answer-cache.js';
import { anthropicClient, oracleError } from '../endpoint.js';
import { answerOfMessage, messageParams } from './anthropic-wire.js';
import type { OracleBackend, ProviderAnswer } from './backend.js';
import { plainFetch } from '../../plain-fetch.js';
import { rateLimitsOf } from './rate-limits.js';
import { send } from './send.js';
import { estimatedTokens } from './tokens.js';

export class AnthropicMessages implements OracleBackend {
  private readonly client: Anthropic;

  /** @throws UserError `OracleCredentials` where the key is missing. */
  constructor(private readonly oracle: Recipe['oracle']) {
    this.client = anthropicClient(oracle, { fetch: plainFetch });
  }

  async ask(question: OracleQuestion, signal: AbortSignal): Promise<ProviderAnswer> {
    const limits = rateLimitsOf(this.client.baseURL, question.model);
    try {
      return await send(limits, estimatedTokens(question), signal, async () => {
        const { data, response } = await this.client.messages
          .create(messageParams(question), { signal })
          .withResponse();
        return { data: answerOfMessage(data), response };
      });
    } catch (error) {
      if (signal.aborted) throw error;
      throw oracleError(error, this.oracle, this.client.baseURL);
    }
  }
}
