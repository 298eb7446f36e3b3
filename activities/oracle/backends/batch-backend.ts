/** What batch distillation needs from a provider. */
import type { BatchStatus } from '../../interface.js';
import type { OracleQuestion } from '../answer-cache.js';

import type { ProviderAnswer } from './backend.js';

export type { BatchStatus };

/** One line of a batch. The id is the key of its question: whoever reads the results knows what was asked. */
export interface BatchRequest {
  customId: string;
  question: OracleQuestion;
}

/** How a batch is found again whose id was lost between the provider's acceptance and our record. */
export interface BatchTrace {
  /** Unique to one submission. */
  tag: string;
  count: number;
  /** Earliest time of the submission, ms since the epoch. */
  since: number;
  /** Ids that belong to other submissions. */
  taken: ReadonlySet<string>;
}

export type BatchResult = { customId: string } & (
  | { answer: ProviderAnswer }
  /** The provider's error for this line, shaped as both SDKs shape theirs. */
  | { error: { status: number; code: string; message: string } }
  /** Not worked on in time, or cancelled before: not billed. */
  | { left: true }
);

/** A provider's batch endpoint. Everything but `submit` can be repeated without harm. */
export interface BatchBackend {
  /**
   * Hand over what can be handed over without being billed (a file), then call `beforeSend`, then submit. Only a
   * submission that was certainly refused is tried again inside.
   * @returns The provider's id. @throws UserError; after `beforeSend`, the batch may then exist all the same.
   */
  submit: (
    requests: BatchRequest[],
    tag: string,
    beforeSend: () => Promise<void>,
    signal: AbortSignal,
  ) => Promise<string>;
  find: (trace: BatchTrace, signal: AbortSignal) => Promise<string | undefined>;
  /** One look, not tried again: the next one is not far. */
  poll: (id: string, signal: AbortSignal) => Promise<BatchStatus>;
  /** Everything that came of an ended batch, also of one that expired or was cancelled. */
  harvest: (id: string, signal: AbortSignal) => AsyncIterable<BatchResult>;
  cancel: (id: string, signal: AbortSignal) => Promise<void>;
}

/** The result of a line that was worked on; one that nobody can read must not hide the others. */
export function completed(customId: string, read: () => ProviderAnswer): BatchResult {
  try {
    return { customId, answer: read() };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { customId, error: { status: 502, code: 'malformed', message: error.message } };
  }
}
