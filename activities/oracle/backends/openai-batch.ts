/** OpenAI's Batch API: a file of requests, a batch over it, output and error files. */
import type OpenAI from 'openai';
import { toFile } from 'openai';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { z } from 'zod';
import type { Recipe } from '../../../recipes/schema.js';
import { openAiClient } from '../endpoint.js';
import { BatchCalls, PAGE, SKEW_MS } from './batch-calls.js';
import { completed } from './batch-backend.js';
import type { BatchBackend, BatchRequest, BatchResult, BatchStatus, BatchTrace } from './batch-backend.js';
import { answerOfCompletion, chatBody } from './openai-wire.js';
import { isRefusedForNow } from './send.js';

/** Metadata of the batches that this project submits. */
const TAG = 'rmr1_tag';
/** Uploads are as long as their file, not as a question. */
const TRANSFER_TIMEOUT_MS = 15 * 60_000;

const lineSchema = z.object({
  custom_id: z.string(),
  response: z.object({ status_code: z.number(), body: z.unknown() }).nullish(),
  error: z.object({ code: z.string().nullish(), message: z.string().nullish() }).nullish(),
});

const errorBodySchema = z.object({
  error: z.object({ code: z.string().nullish(), message: z.string().nullish() }),
});

export class OpenAiBatch implements BatchBackend {
  private readonly client: OpenAI;
  private readonly calls: BatchCalls;

  /** @throws UserError `OracleUnreachable` or `OracleCredentials` where address or key are missing. */
  constructor(oracle: Recipe['oracle']) {
    this.client = openAiClient(oracle);
    this.calls = new BatchCalls(oracle, this.client.baseURL);
  }

  async submit(
    requests: BatchRequest[],
    tag: string,
    beforeSend: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<string> {
    const lines = requests.map(({ customId, question }) =>
      Buffer.from(
        `${JSON.stringify({ custom_id: customId, method: 'POST', url: '/v1/chat/completions', body: chatBody(question) })}\n`,
      ),
    );
    const upload = await toFile(Buffer.concat(lines), `${tag}.jsonl`);
    const file = await this.calls.make(signal, () =>
      this.client.files
        .create({ file: upload, purpose: 'batch' }, { signal, timeout: TRANSFER_TIMEOUT_MS })
        .withResponse(),
    );
    await beforeSend();
    const batch = await this.calls.make(
      signal,
      () =>
        this.client.batches
          .create({
            input_file_id: file.id,
            endpoint: '/v1/chat/completions',
            completion_window: '24h',
            metadata: { [TAG]: tag },
          })
          .withResponse(),
      isRefusedForNow,
    );
    return batch.id;
  }

  async find({ tag, since }: BatchTrace, signal: AbortSignal): Promise<string | undefined> {
    try {
      for await (const batch of this.client.batches.list({ limit: PAGE }, { signal, maxRetries: 3 })) {
        if (batch.metadata?.[TAG] === tag) return batch.id;
        if (batch.created_at * 1000 < since - SKEW_MS) break;
      }
      return undefined;
    } catch (error) {
      throw this.calls.translated(error, signal);
    }
  }

  async poll(id: string, signal: AbortSignal): Promise<BatchStatus> {
    const batch = await this.retrieve(id, signal, () => false);
    if (!batch) return { state: 'lost', done: 0, total: 0 };
    const { status, request_counts: counts, errors } = batch;
    const ended = ['completed', 'failed', 'expired', 'cancelled'].includes(status);
    const [first] = errors?.data ?? [];
    return {
      state: ended ? 'ended' : 'working',
      done: (counts?.completed ?? 0) + (counts?.failed ?? 0),
      total: counts?.total ?? 0,
      ...(status === 'failed'
        ? {
            problem: {
              code: first?.code ?? 'failed',
              message: `${first?.message ?? 'The provider gave no reason.'}${first?.line ? ` (line ${first.line})` : ''}`,
            },
          }
        : {}),
    };
  }

  async *harvest(id: string, signal: AbortSignal): AsyncGenerator<BatchResult> {
    const batch = await this.retrieve(id, signal);
    for (const file of [batch?.output_file_id, batch?.error_file_id])
      if (file) yield* this.lines(file, signal);
  }

  cancel(id: string, signal: AbortSignal): Promise<void> {
    return this.calls.cancel(signal, () => this.client.batches.cancel(id, { signal }).withResponse());
  }

  private retrieve(
    id: string,
    signal: AbortSignal,
    again?: (error: unknown) => boolean,
  ): Promise<OpenAI.Batch | undefined> {
    return this.calls.find(signal, () => this.client.batches.retrieve(id, { signal }).withResponse(), again);
  }

  private async *lines(file: string, signal: AbortSignal): AsyncGenerator<BatchResult> {
    const response = await this.calls.make(signal, async () => {
      const content = await this.client.files.content(file, { signal, timeout: TRANSFER_TIMEOUT_MS });
      return { data: content, response: content };
    });
    if (!response.body) return;
    try {
      const input = Readable.fromWeb(response.body);
      // A connection that breaks must reach the reader: readline alone would end as if the file had.
      const broken = new Promise<never>((_, reject) => input.once('error', reject));
      broken.catch(() => undefined);
      const rows = createInterface({ input, crlfDelay: Infinity })[Symbol.asyncIterator]();
      for (;;) {
        const row: IteratorResult<string, unknown> = await Promise.race([rows.next(), broken]);
        if (row.done) break;
        if (row.value.trim() !== '') yield resultOf(row.value);
      }
      if (input.errored) throw input.errored;
    } catch (error) {
      throw this.calls.translated(error, signal);
    }
  }
}

/** @throws SyntaxError where the line is none of a result file. */
function resultOf(line: string): BatchResult {
  const { custom_id: customId, response, error } = lineSchema.parse(JSON.parse(line));
  if (response && response.status_code < 400)
    return completed(customId, () => answerOfCompletion(response.body));
  if (!response && (error?.code === 'batch_expired' || error?.code === 'batch_cancelled'))
    return { customId, left: true };
  const body = errorBodySchema.safeParse(response?.body).data?.error;
  return {
    customId,
    error: {
      status: response?.status_code ?? 500,
      code: body?.code ?? error?.code ?? 'unknown',
      message: body?.message ?? error?.message ?? 'The provider gave no reason.',
    },
  };
}
