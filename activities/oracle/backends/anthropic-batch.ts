/** Anthropic's Message Batches. */
import type Anthropic from '@anthropic-ai/sdk';
import type { Recipe } from '../../../recipes/schema.js';
import { anthropicClient } from '../endpoint.js';
import { answerOfMessage, messageParams } from './anthropic-wire.js';
import { BatchCalls, PAGE, SKEW_MS } from './batch-calls.js';
import { completed } from './batch-backend.js';
import type { BatchBackend, BatchRequest, BatchResult, BatchStatus, BatchTrace } from './batch-backend.js';
import { isRefusedForNow } from './send.js';

export class AnthropicBatch implements BatchBackend {
  private readonly client: Anthropic;
  private readonly calls: BatchCalls;

  /** @throws UserError `OracleCredentials` where the key is missing. */
  constructor(oracle: Recipe['oracle']) {
    this.client = anthropicClient(oracle);
    this.calls = new BatchCalls(oracle, this.client.baseURL);
  }

  async submit(
    requests: BatchRequest[],
    _tag: string,
    beforeSend: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<string> {
    await beforeSend();
    const batch = await this.calls.make(
      signal,
      () =>
        this.client.messages.batches
          .create({
            requests: requests.map(({ customId, question }) => ({
              custom_id: customId,
              params: messageParams(question),
            })),
          })
          .withResponse(),
      isRefusedForNow,
    );
    return batch.id;
  }

  /**
   * The API keeps no metadata: a batch is taken for ours by its size, its time and, once it has ended, its custom ids.
   * One that is still under way cannot be looked into; what it was shows when it is harvested.
   */
  async find({ count, since, taken }: BatchTrace, signal: AbortSignal): Promise<string | undefined> {
    try {
      const batches = this.client.messages.batches.list({ limit: PAGE }, { signal, maxRetries: 3 });
      for await (const { id, created_at: created, request_counts: counts } of batches) {
        if (Date.parse(created) < since - SKEW_MS) break;
        const size = sizeOf(counts);
        if (size === count && !taken.has(id)) return id;
      }
      return undefined;
    } catch (error) {
      throw this.calls.translated(error, signal);
    }
  }

  async poll(id: string, signal: AbortSignal): Promise<BatchStatus> {
    const batch = await this.retrieve(id, signal, () => false);
    if (!batch) return { state: 'lost', done: 0, total: 0 };
    const total = sizeOf(batch.request_counts);
    const done = total - batch.request_counts.processing;
    // Archived batches have no results any more.
    if (batch.archived_at !== null) return { state: 'lost', done, total };
    return {
      state: batch.processing_status === 'ended' ? 'ended' : 'working',
      done,
      total,
    };
  }

  async *harvest(id: string, signal: AbortSignal): AsyncGenerator<BatchResult> {
    const results = await this.calls.make(signal, async () => {
      const data = await this.client.messages.batches.results(id, {}, { signal });
      return { data, response: { headers: new Headers() } };
    });
    try {
      for await (const { custom_id: customId, result } of results) {
        if (result.type === 'succeeded') yield completed(customId, () => answerOfMessage(result.message));
        else if (result.type === 'errored') yield { customId, error: errorOf(result.error) };
        else yield { customId, left: true };
      }
    } catch (error) {
      throw this.calls.translated(error, signal);
    }
  }

  cancel(id: string, signal: AbortSignal): Promise<void> {
    return this.calls.cancel(signal, () =>
      this.client.messages.batches.cancel(id, {}, { signal }).withResponse(),
    );
  }

  private retrieve(
    id: string,
    signal: AbortSignal,
    again?: (error: unknown) => boolean,
  ): Promise<Anthropic.Messages.MessageBatch | undefined> {
    return this.calls.find(
      signal,
      () => this.client.messages.batches.retrieve(id, {}, { signal }).withResponse(),
      again,
    );
  }
}

function sizeOf(counts: Anthropic.Messages.MessageBatchRequestCounts): number {
  const { processing, succeeded, errored, canceled, expired } = counts;
  return processing + succeeded + errored + canceled + expired;
}

/** Statuses of the errors that a single request of a batch can end with. */
const STATUS: Record<string, number> = {
  invalid_request_error: 400,
  authentication_error: 401,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
};

function errorOf({ error }: Anthropic.ErrorResponse): { status: number; code: string; message: string } {
  const { type, message } = error;
  return { status: STATUS[type] ?? 500, code: type, message };
}
