/** The official OpenAI SDK, unchanged, against the service's files and batches: every state a batch can be in. */
import type OpenAI from 'openai';
import { toFile } from 'openai';
import { afterEach, expect, it } from 'vitest';
import { present } from '../../judge/pair.js';
import type { Pair } from '../../judge/pair.js';
import { buildPrompt } from '../../judge/prompt/build.js';
import { generateWorld } from '../../world/index.js';
import { startService, type TestService } from './service.js';

const HOUR = 3600_000;
const START = Date.UTC(2026, 0, 1);
const { train } = generateWorld({ seed: 3, train: 10, validation: 1, test: 1 });

let service: TestService;
afterEach(() => service.close());

async function start(): Promise<void> {
  service = await startService({ batch: { durationMs: 10 * HOUR } });
  await service.clock(START);
}

const line = (index: number, body: object = {}) => ({
  custom_id: `pair-${String(index)}`,
  method: 'POST',
  url: '/v1/chat/completions',
  body: {
    model: 'world-oracle-a',
    messages: buildPrompt('cor-v1', present(train[index] as Pair, 'A')),
    ...body,
  },
});
const lines = (count = 10): string[] => Array.from({ length: count }, (_, i) => JSON.stringify(line(i)));

async function submit(rows: string[], metadata?: Record<string, string>): Promise<OpenAI.Batch> {
  const file = await service.client.files.create({
    file: await toFile(Buffer.from(rows.join('\n')), 'input.jsonl'),
    purpose: 'batch',
  });
  return service.client.batches.create({
    input_file_id: file.id,
    endpoint: '/v1/chat/completions',
    completion_window: '24h',
    ...(metadata ? { metadata } : {}),
  });
}

const read = async (id: string | undefined) =>
  id === undefined
    ? []
    : (await (await service.client.files.content(id)).text())
        .trim()
        .split('\n')
        .map((row) => JSON.parse(row) as { custom_id: string; response: { status_code: number } | null });

it('validates, works, finalizes, completes: the answers are those of the chat endpoint, billed once', async () => {
  await start();
  const { id, status } = await submit(lines(), { run: 'r1' });
  expect(status).toBe('validating');
  const states: string[] = [];
  for (let hour = 1; hour <= 12; hour++) {
    await service.clock(START + hour * HOUR);
    const batch = await service.client.batches.retrieve(id);
    if (states.at(-1) !== batch.status) states.push(batch.status);
  }
  expect(states).toEqual(['in_progress', 'finalizing', 'completed']);
  const batch = await service.client.batches.retrieve(id);
  expect(batch).toMatchObject({
    request_counts: { total: 10, completed: 10, failed: 0 },
    metadata: { run: 'r1' },
  });
  expect(batch.error_file_id).toBeNull();
  const output = await read(batch.output_file_id);
  expect(output.map(({ custom_id }) => custom_id).sort()).toEqual(
    Array.from({ length: 10 }, (_, i) => `pair-${String(i)}`).sort(),
  );
  const stats = await service.stats();
  expect(stats.bills['batch:world-oracle-a']?.calls).toBe(10);
  const asked = await service.client.chat.completions.create(
    line(0).body as OpenAI.ChatCompletionCreateParamsNonStreaming,
  );
  const same = output.find(({ custom_id }) => custom_id === 'pair-0') as unknown as {
    response: { body: OpenAI.ChatCompletion };
  };
  expect(same.response.body.choices[0]?.message).toEqual(asked.choices[0]?.message);
});

it('expires with half of its answers; the rest is listed as expired and not billed', async () => {
  await start();
  await service.post('/faults', JSON.stringify({ kind: 'batch-expire', next: 1 }));
  const { id } = await submit(lines());
  await service.clock(START + 24 * HOUR);
  const batch = await service.client.batches.retrieve(id);
  expect(batch.status).toBe('expired');
  const [done, left] = [await read(batch.output_file_id), await read(batch.error_file_id)];
  expect([done.length, left.length]).toEqual([5, 5]);
  expect(left[0]).toMatchObject({ response: null, error: { code: 'batch_expired' } });
  expect((await service.stats()).answered).toBe(5);
});

it('fails its validation with the line that is wrong', async () => {
  await start();
  let now = START;
  for (const [rows, code, number] of [
    [['{"custom_id": '], 'invalid_json_line', 1],
    [[...lines(1), JSON.stringify(line(0))], 'duplicate_custom_id', 2],
    [[JSON.stringify(line(0, { model: 'gone' }))], 'model_not_found', 1],
    [[...lines(1), JSON.stringify(line(1, { model: 'world-oracle-b' }))], 'mismatched_model', 2],
  ] as const) {
    const { id } = await submit([...rows]);
    now += 2 * HOUR;
    await service.clock(now);
    const batch = await service.client.batches.retrieve(id);
    expect(batch.status).toBe('failed');
    expect(batch.errors?.data?.[0]).toMatchObject({ code, line: number });
  }
  expect((await service.stats()).answered).toBe(0);
});

it('cancels with what it has', async () => {
  await start();
  const { id } = await submit(lines());
  await service.clock(START + 6 * HOUR);
  expect((await service.client.batches.cancel(id)).status).toBe('cancelling');
  await service.clock(START + 8 * HOUR);
  const batch = await service.client.batches.retrieve(id);
  expect(batch.status).toBe('cancelled');
  const done = (await read(batch.output_file_id)).length;
  expect(done).toBeGreaterThan(0);
  expect(done).toBeLessThan(10);
  await expect(service.client.batches.cancel(id)).rejects.toMatchObject({ status: 409 });
});

it('writes lines that failed into the error file', async () => {
  await start();
  await service.post('/faults', JSON.stringify({ kind: 'line-error', next: 2 }));
  const { id } = await submit([...lines(4), JSON.stringify(line(5, { messages: [] }))]);
  await service.clock(START + 12 * HOUR);
  const batch = await service.client.batches.retrieve(id);
  expect(batch).toMatchObject({ status: 'completed', request_counts: { completed: 2, failed: 3 } });
  const statuses = (await read(batch.error_file_id)).map(({ response }) => response?.status_code).sort();
  expect(statuses).toEqual([400, 500, 500]);
});

it('lists batches page by page, newest first, and deletes files', async () => {
  await start();
  const ids = [];
  for (let i = 0; i < 5; i++) ids.push((await submit(lines(1))).id);
  const listed = [];
  for await (const { id } of service.client.batches.list({ limit: 2 })) listed.push(id);
  expect(listed).toEqual(ids.reverse());
  const files = [];
  for await (const { id } of service.client.files.list({ limit: 2 })) files.push(id);
  expect(files).toHaveLength(5);
  await service.client.files.delete(files[0]!);
  await expect(service.client.files.content(files[0]!)).rejects.toMatchObject({ status: 404 });
});
