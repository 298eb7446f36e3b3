/** Chat completions of any OpenAI-compatible endpoint: hosted, vLLM, a gateway, the local oracle service. */
import type OpenAI from 'openai';
import type { Recipe } from '../../../recipes/schema.js';
import type { OracleQuestion } from '../answer-cache.js';
import { oracleClient, oracleError } from '../endpoint.js';
import type { OracleBackend, ProviderAnswer } from './backend.js';

/** A body that is not an answer (cut stream, wrong JSON) is asked again this often before the question fails. */
const MALFORMED_RETRIES = 3;

export class OpenAiChat implements OracleBackend {
  private readonly client: OpenAI;

  /** @throws UserError `OracleUnreachable` or `OracleCredentials` where address or key are missing. */
  constructor(private readonly oracle: Recipe['oracle']) {
    this.client = oracleClient(oracle);
  }

  async ask(
    { model, messages, temperature, maxTokens }: OracleQuestion,
    signal: AbortSignal,
  ): Promise<ProviderAnswer> {
    for (let attempt = 1; ; attempt++) {
      try {
        const completion = await this.client.chat.completions.create(
          { model, messages, temperature, max_tokens: maxTokens },
          { signal },
        );
        const choice = completion.choices?.[0];
        if (!choice?.message) throw new SyntaxError('the answer has no choices');
        return {
          text: choice.message.content ?? '',
          finishReason: choice.finish_reason,
          inputTokens: completion.usage?.prompt_tokens ?? 0,
          outputTokens: completion.usage?.completion_tokens ?? 0,
          ...(completion.system_fingerprint ? { fingerprint: completion.system_fingerprint } : {}),
        };
      } catch (error) {
        if (signal.aborted) throw error;
        if (error instanceof SyntaxError && attempt < MALFORMED_RETRIES) continue;
        throw oracleError(error, this.oracle, this.client.baseURL);
      }
    }
  }
}
