/** OpenAI's batches: validation of the input file, the batch object, output and error files. */
import { z } from 'zod';
import { ApiError } from './api-error.js';
import type { Batch, LineOutcome } from './batch.js';
import { chatRequestSchema, completionObject, questionOf } from './chat-api.js';
import type { ChatRequest } from './chat-api.js';
import type { Question } from './complete.js';
import { firstIssue } from './http.js';

const MAX_BATCH_REQUESTS = 50_000;
export const MAX_FILE_BYTES = 200 * 1024 * 1024;

export const batchRequestSchema = z.strictObject({
  input_file_id: z.string(),
  endpoint: z.literal('/v1/chat/completions', 'this service batches /v1/chat/completions only'),
  completion_window: z.literal('24h'),
  metadata: z
    .record(z.string().max(64), z.string().max(512))
    .refine((pairs) => Object.keys(pairs).length <= 16, 'at most 16 pairs')
    .nullish(),
  output_expires_after: z.unknown().optional(),
});
export type BatchRequest = z.infer<typeof batchRequestSchema>;

const lineSchema = z.strictObject({
  custom_id: z.string().min(1),
  method: z.literal('POST'),
  url: z.literal('/v1/chat/completions'),
  body: z.looseObject({ model: z.string() }),
});

/** Why a batch fails its validation. */
export interface InputProblem {
  code: string;
  message: string;
  line?: number;
}

/** A line of the input; its body is checked when it is asked, as a wrong body fails its line alone. */
export interface InputLine {
  customId: string;
  model: string;
  body: unknown;
}

/** Read a batch's input file, or say what is wrong with it. */
export function readInput(bytes: Buffer, models: readonly string[]): InputLine[] | InputProblem {
  const lines: InputLine[] = [];
  const seen = new Set<string>();
  let number = 0;
  for (const text of bytes.toString('utf8').split('\n')) {
    if (text.trim() === '') continue;
    number += 1;
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      return {
        code: 'invalid_json_line',
        message: 'This line is not parseable as valid JSON.',
        line: number,
      };
    }
    const parsed = lineSchema.safeParse(json);
    if (!parsed.success)
      return { code: 'invalid_line', message: firstIssue(parsed.error.issues), line: number };
    const { custom_id: customId, body } = parsed.data;
    if (seen.has(customId))
      return {
        code: 'duplicate_custom_id',
        message: `The custom_id ${customId} is used twice.`,
        line: number,
      };
    seen.add(customId);
    if (!models.includes(body.model))
      return { code: 'model_not_found', message: `There is no model "${body.model}" here.`, line: number };
    if (lines[0] && lines[0].model !== body.model)
      return {
        code: 'mismatched_model',
        message: 'All requests of a batch need the same model.',
        line: number,
      };
    lines.push({ customId, model: body.model, body });
  }
  if (lines.length === 0) return { code: 'empty_file', message: 'The input file has no requests.' };
  if (lines.length > MAX_BATCH_REQUESTS)
    return { code: 'too_many_requests', message: `More than ${String(MAX_BATCH_REQUESTS)} requests.` };
  return lines;
}

/** @throws ApiError 400 where the body of a line is no chat request. */
export function lineQuestion(body: unknown): Question {
  const parsed = chatRequestSchema.safeParse(body);
  if (!parsed.success) throw new ApiError(400, 'invalid_request', firstIssue(parsed.error.issues));
  return questionOf(parsed.data satisfies ChatRequest);
}

export interface BatchFiles {
  input: string;
  output?: string;
  errors?: string;
}

const seconds = (ms: number | undefined): number | null => (ms === undefined ? null : Math.floor(ms / 1000));

export function batchObject(batch: Batch, request: BatchRequest, files: BatchFiles): object {
  const { since, fate } = batch;
  const failed = [...batch.outcomes.values()].filter((outcome) => outcome instanceof ApiError).length;
  return {
    id: batch.id,
    object: 'batch',
    endpoint: request.endpoint,
    errors:
      batch.state === 'failed' && typeof fate === 'object'
        ? { object: 'list', data: [{ ...fate, line: fate.line ?? null, param: null }] }
        : null,
    input_file_id: files.input,
    completion_window: request.completion_window,
    status: batch.state,
    output_file_id: files.output ?? null,
    error_file_id: files.errors ?? null,
    created_at: seconds(batch.createdAt),
    in_progress_at: seconds(since.in_progress),
    expires_at: seconds(batch.expiresAt),
    finalizing_at: seconds(since.finalizing),
    completed_at: seconds(since.completed),
    failed_at: seconds(since.failed),
    expired_at: seconds(since.expired),
    cancelling_at: seconds(since.cancelling),
    cancelled_at: seconds(since.cancelled),
    request_counts: {
      total: batch.state === 'failed' ? 0 : batch.lines.length,
      completed: batch.outcomes.size - failed,
      failed,
    },
    metadata: request.metadata ?? null,
  };
}

/** Output and error file of an ended batch, as text; an empty one does not exist. */
export function resultFiles(batch: Batch, nowSeconds: number): { output: string; errors: string } {
  let output = '';
  let errors = '';
  let number = 0;
  for (const { customId } of batch.lines) {
    number += 1;
    const outcome = batch.outcomes.get(customId);
    const line = resultLine(`${batch.id}_req_${String(number)}`, customId, outcome, nowSeconds);
    if (outcome === undefined) errors += batch.state === 'expired' ? line : '';
    else if (outcome instanceof ApiError) errors += line;
    else output += line;
  }
  return { output, errors };
}

function resultLine(
  id: string,
  customId: string,
  outcome: LineOutcome | undefined,
  nowSeconds: number,
): string {
  const message = 'This request could not be executed before the completion window expired.';
  const result =
    outcome === undefined
      ? { response: null, error: { code: 'batch_expired', message } }
      : {
          response:
            outcome instanceof ApiError
              ? { status_code: outcome.status, request_id: id, body: outcome.object('openai') }
              : { status_code: 200, request_id: id, body: completionObject(id, outcome, nowSeconds) },
          error: null,
        };
  return `${JSON.stringify({ id, custom_id: customId, ...result })}\n`;
}
