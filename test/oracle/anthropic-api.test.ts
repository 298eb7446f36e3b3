/** The official Anthropic SDK, unchanged, against the service's messages and message batches. */
import Anthropic from '@anthropic-ai/sdk';
import { afterEach, expect, it } from 'vitest';
import { present } from '../../judge/pair.js';
import type { Pair } from '../../judge/pair.js';
import { buildPrompt } from '../../judge/prompt/build.js';
import { generateWorld } from '../../world/index.js';
import { startService, type TestService } from './service.js';

const HOUR = 3600_000;
const START = Date.UTC(2026, 0, 1);
const { train } = generateWorld({ seed: 4, train: 10, validation: 1, test: 1 });

let service: TestService;
let client: Anthropic;
afterEach(() => service.close());

async function start(options: Parameters<typeof startService>[0] = {}): Promise<void> {
  service = await startService({ batch: { durationMs: 10 * HOUR }, ...options });
  await service.clock(START);
  client = new Anthropic({
    baseURL: service.baseUrl.replace('/v1', ''),
    apiKey: options.apiKey ?? 'local',
    maxRetries: 0,
  });
}

function params(index: number): Anthropic.MessageCreateParamsNonStreaming {
  const [system, ...messages] = buildPrompt('cor-v1', present(train[index] as Pair, 'A'));
  return {
    model: 'world-oracle-a',
    max_tokens: 512,
    system: system!.content,
    messages: messages.map(({ content }) => ({ role: 'user' as const, content })),
  };
}
const requests = (count = 10) =>
  Array.from({ length: count }, (_, i) => ({ custom_id: `pair-${String(i)}`, params: params(i) }));

it('answers a message as the chat endpoint does, with usage', async () => {
  await start();
  const message = await client.messages.create(params(0));
  const chat = await service.client.chat.completions.create({
    model: 'world-oracle-a',
    messages: buildPrompt('cor-v1', present(train[0] as Pair, 'A')),
  });
  expect(message.content).toMatchObject([{ type: 'text', text: chat.choices[0]?.message.content }]);
  expect(message).toMatchObject({
    stop_reason: 'end_turn',
    usage: { input_tokens: chat.usage?.prompt_tokens, output_tokens: chat.usage?.completion_tokens },
  });
});

it('words its errors as the API does: wrong key, unknown model, unknown field', async () => {
  await start({ apiKey: 'secret' });
  await client.messages.create(params(0));
  const stranger = new Anthropic({ baseURL: client.baseURL, apiKey: 'guess', maxRetries: 0 });
  await expect(stranger.messages.create(params(0))).rejects.toBeInstanceOf(Anthropic.AuthenticationError);
  await expect(client.messages.create({ ...params(0), model: 'gone' })).rejects.toMatchObject({
    status: 404,
    type: 'not_found_error',
  });
  const unknown = { ...params(0), temperature: 0 } as Anthropic.MessageCreateParamsNonStreaming;
  await expect(client.messages.create(unknown)).rejects.toBeInstanceOf(Anthropic.BadRequestError);
  const models = [];
  for await (const { id } of client.models.list()) models.push(id);
  expect(models).toEqual(['world-oracle-a', 'world-oracle-b']);
});

it('works through a batch and gives its results once it has ended', async () => {
  await start();
  const { id, processing_status } = await client.messages.batches.create({ requests: requests() });
  expect(processing_status).toBe('in_progress');
  await service.clock(START + 6 * HOUR);
  const under = await client.messages.batches.retrieve(id);
  expect(under).toMatchObject({ results_url: null, request_counts: { processing: 10, succeeded: 0 } });
  await service.clock(START + 12 * HOUR);
  const ended = await client.messages.batches.retrieve(id);
  expect(ended).toMatchObject({ processing_status: 'ended', request_counts: { succeeded: 10 } });
  const results = new Map<string, string>();
  for await (const { custom_id, result } of await client.messages.batches.results(id))
    results.set(custom_id, result.type);
  expect([...results.values()]).toEqual(Array.from({ length: 10 }, () => 'succeeded'));
  expect((await service.stats()).bills['batch:world-oracle-a']?.calls).toBe(10);
});

it('expires, cancels and fails single requests in its own words', async () => {
  await start();
  const kinds = async (id: string) => {
    const seen: Record<string, number> = {};
    for await (const { result } of await client.messages.batches.results(id))
      seen[result.type] = (seen[result.type] ?? 0) + 1;
    return seen;
  };
  await service.post('/faults', JSON.stringify({ kind: 'batch-expire', next: 1 }));
  const expiring = await client.messages.batches.create({ requests: requests() });
  await service.clock(START + 24 * HOUR);
  expect(await kinds(expiring.id)).toEqual({ succeeded: 5, expired: 5 });

  const cancelled = await client.messages.batches.create({ requests: requests() });
  await service.clock(START + 30 * HOUR);
  expect((await client.messages.batches.cancel(cancelled.id)).processing_status).toBe('canceling');
  await service.clock(START + 60 * HOUR);
  expect((await client.messages.batches.retrieve(cancelled.id)).processing_status).toBe('ended');
  expect(await kinds(cancelled.id)).toMatchObject({ canceled: expect.any(Number) as number });

  await service.post('/faults', JSON.stringify({ kind: 'line-error', next: 1 }));
  const failing = await client.messages.batches.create({ requests: requests(3) });
  await service.clock(START + 90 * HOUR);
  await client.messages.batches.retrieve(failing.id);
  expect(await kinds(failing.id)).toEqual({ succeeded: 2, errored: 1 });

  const listed = [];
  for await (const { id } of client.messages.batches.list({ limit: 2 })) listed.push(id);
  expect(listed).toEqual([failing.id, cancelled.id, expiring.id]);
  await expect(
    client.messages.batches.create({ requests: [...requests(1), ...requests(1)] }),
  ).rejects.toMatchObject({ status: 400 });
});
