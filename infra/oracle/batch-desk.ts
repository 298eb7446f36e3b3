/** The batches and files that the service holds, of both dialects; in memory, gone with the process. */
import { ApiError } from './api-error.js';
import { Batch, shuffled } from './batch.js';
import type { BatchLine, BatchTiming } from './batch.js';
import { batchObject, batchRequestSchema, lineQuestion, readInput, resultFiles } from './batches-api.js';
import type { BatchFiles, BatchRequest } from './batches-api.js';
import type { Clock } from './clock.js';
import type { Completion, Question } from './complete.js';
import type { FaultPlan } from './faults.js';
import { Files } from './files-api.js';
import { firstIssue } from './http.js';
import {
  messageBatchObject,
  messageBatchSchema,
  messageResults,
  paramsQuestion,
} from './message-batches-api.js';
import type { Counters } from './stats.js';

interface OpenAiEntry {
  batch: Batch;
  request: BatchRequest;
  files: BatchFiles;
}

export interface DeskOptions {
  clock: Clock;
  timing: BatchTiming;
  plan: FaultPlan;
  counters: Counters;
  models: readonly string[];
  complete: (question: Question) => Completion;
}

export class BatchDesk {
  readonly files = new Files();
  readonly #openai = new Map<string, OpenAiEntry>();
  readonly #anthropic = new Map<string, Batch>();
  #serial = 0;

  constructor(private readonly options: DeskOptions) {}

  /** @throws ApiError 400, 404 */
  create(body: unknown): object {
    const parsed = batchRequestSchema.safeParse(body);
    if (!parsed.success) throw new ApiError(400, 'invalid_request', firstIssue(parsed.error.issues));
    const input = readInput(this.files.get(parsed.data.input_file_id).bytes, this.options.models);
    const batch = this.#open(
      'batch',
      Array.isArray(input)
        ? input.map(({ customId, body: line }) => ({
            customId,
            ask: () => this.options.complete(lineQuestion(line)),
          }))
        : [],
      Array.isArray(input) ? undefined : input,
    );
    const entry = { batch, request: parsed.data, files: { input: parsed.data.input_file_id } };
    this.#openai.set(batch.id, entry);
    return this.#show(entry);
  }

  /** @throws ApiError 404 */
  retrieve(id: string): object {
    return this.#show(this.#find(id));
  }

  /** Newest first. */
  list(after: string | null, limit: number): object {
    const { page, more } = pageOf([...this.#openai.values()], ({ batch }) => batch.id, after, limit);
    const data = page.map((entry) => this.#show(entry));
    return {
      object: 'list',
      data,
      first_id: page[0]?.batch.id ?? null,
      last_id: page.at(-1)?.batch.id ?? null,
      has_more: more,
    };
  }

  /** @throws ApiError 404, 409 */
  cancel(id: string): object {
    const entry = this.#find(id);
    entry.batch.cancel(this.options.clock.now());
    return this.#show(entry);
  }

  /** @throws ApiError 400 */
  createMessages(body: unknown, baseUrl: string): object {
    const parsed = messageBatchSchema.safeParse(body);
    if (!parsed.success) throw new ApiError(400, 'invalid_request', firstIssue(parsed.error.issues));
    const lines = parsed.data.requests.map(({ custom_id: customId, params }) => ({
      customId,
      ask: () => this.options.complete(paramsQuestion(params)),
    }));
    const batch = this.#open('msgbatch', lines);
    if (typeof batch.fate === 'object') throw new ApiError(429, batch.fate.code, batch.fate.message);
    this.#anthropic.set(batch.id, batch);
    return messageBatchObject(batch, baseUrl);
  }

  /** @throws ApiError 404 */
  retrieveMessages(id: string, baseUrl: string): object {
    return messageBatchObject(this.#findMessages(id), baseUrl);
  }

  listMessages(after: string | null, limit: number, baseUrl: string): object {
    const { page, more } = pageOf([...this.#anthropic.values()], ({ id }) => id, after, limit);
    for (const batch of page) batch.advance(this.options.clock.now());
    return {
      data: page.map((batch) => messageBatchObject(batch, baseUrl)),
      has_more: more,
      first_id: page[0]?.id ?? null,
      last_id: page.at(-1)?.id ?? null,
    };
  }

  /** @throws ApiError 404, 409 */
  cancelMessages(id: string, baseUrl: string): object {
    const batch = this.#findMessages(id);
    batch.cancel(this.options.clock.now());
    return messageBatchObject(batch, baseUrl);
  }

  /** @throws ApiError 404 also before it has ended. */
  messageResults(id: string): string {
    const batch = this.#findMessages(id);
    if (!batch.ended) throw new ApiError(404, 'not_found', `Batch ${id} has no results yet.`);
    return messageResults(batch);
  }

  #open(prefix: string, lines: BatchLine[], problem?: Exclude<Batch['fate'], string>): Batch {
    const { clock, timing, plan, counters } = this.options;
    const fault = plan.strike('batch');
    if (fault) counters.fault(fault.kind);
    const full = { code: 'token_limit_exceeded', message: 'Enqueued token limit reached.' };
    const fate =
      problem ??
      (fault?.kind === 'batch-fail' ? full : fault?.kind === 'batch-expire' ? 'expire' : 'complete');
    counters.batch();
    const id = `${prefix}_${String(++this.#serial)}`;
    return new Batch(id, clock.now(), shuffled(lines), timing, fate, (completion) =>
      counters.answered('batch', completion),
    );
  }

  #show(entry: OpenAiEntry): object {
    const now = this.options.clock.now();
    entry.batch.advance(now);
    if (entry.batch.ended && entry.files.output === undefined && entry.files.errors === undefined) {
      const { output, errors } = resultFiles(entry.batch, Math.floor(now / 1000));
      const keep = (name: string, text: string) =>
        this.files.add(`${entry.batch.id}_${name}.jsonl`, 'batch_output', Buffer.from(text), now / 1000).id;
      if (output) entry.files.output = keep('output', output);
      if (errors) entry.files.errors = keep('error', errors);
    }
    return batchObject(entry.batch, entry.request, entry.files);
  }

  #find(id: string): OpenAiEntry {
    const entry = this.#openai.get(id);
    if (!entry) throw new ApiError(404, 'not_found', `No batch found with id '${id}'.`);
    return entry;
  }

  #findMessages(id: string): Batch {
    const batch = this.#anthropic.get(id);
    if (!batch) throw new ApiError(404, 'not_found', `No message batch found with id '${id}'.`);
    batch.advance(this.options.clock.now());
    return batch;
  }
}

/** One page of `all`, newest first, after the item `after`. */
function pageOf<T>(
  all: T[],
  idOf: (item: T) => string,
  after: string | null,
  limit: number,
): { page: T[]; more: boolean } {
  const newest = all.reverse();
  const rest = after === null ? newest : newest.slice(newest.findIndex((item) => idOf(item) === after) + 1);
  return { page: rest.slice(0, limit), more: rest.length > limit };
}
