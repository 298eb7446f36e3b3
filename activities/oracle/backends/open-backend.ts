/** The backends that the recipe names. */
import type { Recipe } from '../../../recipes/schema.js';
import { AnthropicBatch } from './anthropic-batch.js';
import { AnthropicMessages } from './anthropic-messages.js';
import type { OracleBackend } from './backend.js';
import type { BatchBackend } from './batch-backend.js';
import { OpenAiBatch } from './openai-batch.js';
import { OpenAiChat } from './openai-chat.js';

/** @throws UserError `OracleUnreachable` or `OracleCredentials` where address or key are missing. */
export function openBackend(oracle: Recipe['oracle']): OracleBackend {
  return oracle.provider === 'anthropic' ? new AnthropicMessages(oracle) : new OpenAiChat(oracle);
}

/** @throws UserError `OracleUnreachable` or `OracleCredentials` where address or key are missing. */
export function openBatchBackend(oracle: Recipe['oracle']): BatchBackend {
  return oracle.provider === 'anthropic' ? new AnthropicBatch(oracle) : new OpenAiBatch(oracle);
}
