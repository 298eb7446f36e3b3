/** Anthropic's message batches: the batch object and its results. */
import { z } from 'zod';
import { ApiError } from './api-error.js';
import type { Batch, LineOutcome } from './batch.js';
import { firstIssue } from './http.js';
import { messageObject, messageQuestion, messageRequestSchema } from './messages-api.js';
import type { Question } from './complete.js';

const MAX_MESSAGE_BATCH = 100_000;
export const MAX_MESSAGE_BATCH_BYTES = 256 * 1024 * 1024;

export const messageBatchSchema = z
  .strictObject({
    requests: z
      .array(
        z.strictObject({
          custom_id: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'custom_id: 1 to 64 letters, digits, _ or -'),
          params: z.looseObject({}),
        }),
      )
      .min(1)
      .max(MAX_MESSAGE_BATCH),
  })
  .refine(
    ({ requests }) => new Set(requests.map(({ custom_id }) => custom_id)).size === requests.length,
    'custom_id: must be unique in a batch',
  );

/** @throws ApiError 400 where the parameters are no message request. */
export function paramsQuestion(params: unknown): Question {
  const parsed = messageRequestSchema.safeParse(params);
  if (!parsed.success) throw new ApiError(400, 'invalid_request', firstIssue(parsed.error.issues));
  return messageQuestion(parsed.data);
}

const time = (ms: number | undefined): string | null =>
  ms === undefined ? null : new Date(ms).toISOString();

export function messageBatchObject(batch: Batch, baseUrl: string): object {
  const { since } = batch;
  const cancelled = since.cancelling !== undefined;
  const counts = { processing: 0, succeeded: 0, errored: 0, canceled: 0, expired: 0 };
  // Requests stay `processing` until the whole batch has ended.
  if (!batch.ended) counts.processing = batch.lines.length;
  else for (const { customId } of batch.lines) counts[kindOf(batch, batch.outcomes.get(customId))] += 1;
  return {
    id: batch.id,
    type: 'message_batch',
    processing_status: batch.ended ? 'ended' : cancelled ? 'canceling' : 'in_progress',
    request_counts: counts,
    created_at: time(batch.createdAt),
    expires_at: time(batch.expiresAt),
    ended_at: batch.ended ? time(since.completed ?? since.expired ?? since.cancelled) : null,
    cancel_initiated_at: time(since.cancelling),
    archived_at: null,
    results_url: batch.ended ? `${baseUrl}/messages/batches/${batch.id}/results` : null,
  };
}

/** The results of an ended batch as JSONL. */
export function messageResults(batch: Batch): string {
  return batch.lines
    .map(({ customId }, index) => {
      const outcome = batch.outcomes.get(customId);
      const id = `${batch.id}_msg_${String(index + 1)}`;
      return `${JSON.stringify({ custom_id: customId, result: resultOf(batch, id, outcome) })}\n`;
    })
    .join('');
}

function kindOf(
  batch: Batch,
  outcome: LineOutcome | undefined,
): 'succeeded' | 'errored' | 'canceled' | 'expired' {
  if (outcome === undefined) return batch.state === 'cancelled' ? 'canceled' : 'expired';
  return outcome instanceof ApiError ? 'errored' : 'succeeded';
}

function resultOf(batch: Batch, id: string, outcome: LineOutcome | undefined): object {
  if (outcome === undefined) return { type: kindOf(batch, outcome) };
  if (outcome instanceof ApiError) return { type: 'errored', error: outcome.object('anthropic') };
  return { type: 'succeeded', message: messageObject(id, outcome) };
}
