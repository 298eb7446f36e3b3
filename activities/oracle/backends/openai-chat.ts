/** Chat completions of any OpenAI-compatible endpoint: hosted, vLLM, a gateway, the local oracle service. */
import type OpenAI from 'openai';
import type { Recipe } from '../../../recipes/schema.js';
import type { OracleQuestion } from '../answer-cache.js';
import { openAiClient, oracleError } from '../endpoint.js';
import type { OracleBackend, ProviderAnswer } from './backend.js';
import { answerOfCompletion, chatBody } from './openai-wire.js';
import { plainFetch } from '../../plain-fetch.js';
import { rateLimitsOf } from './rate-limits.js';
import { send } from './send.js';
import { estimatedTokens } from './tokens.js';

export class OpenAiChat implements OracleBackend {
  private readonly client: OpenAI;

  /** @throws UserError `OracleUnreachable` or `OracleCredentials` where address or key are missing. */
  constructor(private readonly oracle: Recipe['oracle']) {
    this.client = openAiClient(oracle, { fetch: plainFetch });
  }

  async ask(question: OracleQuestion, signal: AbortSignal): Promise<ProviderAnswer> {
    const limits = rateLimitsOf(this.client.baseURL, question.model);
    try {
      return await send(limits, estimatedTokens(question), signal, async () => {
        const { data, response } = await this.client.chat.completions
          .create(chatBody(question), { signal })
          .withResponse();
        return { data: answerOfCompletion(data), response };
      });
    } catch (error) {
      if (signal.aborted) throw error;
      throw oracleError(error, this.oracle, this.client.baseURL);
    }
  }
}
