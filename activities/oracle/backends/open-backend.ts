/** The backend that the recipe names. */
import type { Recipe } from '../../../recipes/schema.js';
import type { OracleBackend } from './backend.js';
import { OpenAiChat } from './openai-chat.js';

/** @throws UserError `OracleUnreachable` or `OracleCredentials` where address or key are missing. */
export function openBackend(oracle: Recipe['oracle']): OracleBackend {
  return new OpenAiChat(oracle);
}
