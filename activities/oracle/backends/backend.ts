/** What a distillation needs from a provider, whatever its wire format. */
import type { OracleQuestion } from '../answer-cache.js';

/** What a provider said to one question, and what it bills for it; the price is not its concern. */
export interface ProviderAnswer {
  text: string;
  /** `stop`, `length`, `content_filter`, … in the words of OpenAI's API, whoever answered. */
  finishReason: string;
  inputTokens: number;
  outputTokens: number;
  /** Provider's fingerprint of what answered; the local service says here where its verdict came from. */
  fingerprint?: string;
}

/** A provider that answers question by question. */
export interface OracleBackend {
  /**
   * Ask one question. Transient faults are retried inside.
   * @param signal Aborting it ends the request; the promise then rejects with the signal's reason or an abort error.
   * @throws UserError `OracleUnreachable` (worth another attempt), `OracleCredentials`, `OracleRejected`.
   */
  ask: (question: OracleQuestion, signal: AbortSignal) => Promise<ProviderAnswer>;
}
