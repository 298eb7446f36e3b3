import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import { present } from '../../judge/pair.js';
import type { Pair } from '../../judge/pair.js';
import { buildPrompt } from '../../judge/prompt/build.js';
import { correctnessReward } from '../../judge/reward.js';
import type { FaultKind } from '../../infra/oracle/faults.js';
import { generateWorld } from '../../world/index.js';
import { startService } from './service.js';
import type { TestService } from './service.js';

const { train } = generateWorld({ seed: 12, train: 60, validation: 1, test: 1 });
const request = (index = 0) => ({
  model: 'world-oracle-a',
  messages: buildPrompt('cor-v1', present(train[index] as Pair, 'A')),
});

let service: TestService;
afterEach(() => service.close());

const fault = (kind: FaultKind, rest: object): Promise<Response> =>
  service.post('/faults', JSON.stringify({ kind, ...rest }));

describe('the API', () => {
  it('streams the same answer that it gives whole, with usage', async () => {
    service = await startService();
    const whole = await service.client.chat.completions.create(request());
    const stream = await service.client.chat.completions.create({
      ...request(),
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage;
    let finish;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      finish = chunk.choices[0]?.finish_reason ?? finish;
      usage = chunk.usage ?? usage;
    }
    expect(text).toBe(whole.choices[0]?.message.content);
    expect(finish).toBe('stop');
    expect(usage).toEqual(whole.usage);
    const { tokens } = await service.stats();
    expect(tokens.completion).toBe(2 * (usage?.completion_tokens ?? 0));
  });

  it('cuts at max_tokens and says so', async () => {
    service = await startService();
    const cut = await service.client.chat.completions.create({ ...request(), max_tokens: 5 });
    expect(cut.choices[0]?.finish_reason).toBe('length');
    expect(cut.usage?.completion_tokens).toBe(5);
  });

  it('lists its models and refuses others', async () => {
    service = await startService();
    const models = [];
    for await (const model of service.client.models.list()) models.push(model.id);
    expect(models).toEqual(['world-oracle-a', 'world-oracle-b']);
    await expect(
      service.client.chat.completions.create({ ...request(), model: 'other' }),
    ).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });

  it('checks the key where one is set', async () => {
    service = await startService({ apiKey: 'secret' });
    await service.client.chat.completions.create(request());
    const stranger = new OpenAI({ baseURL: service.baseUrl, apiKey: 'guess', maxRetries: 0 });
    await expect(stranger.chat.completions.create(request())).rejects.toBeInstanceOf(
      OpenAI.AuthenticationError,
    );
    expect((await service.post('/faults', '{}')).status).toBe(401);
  });

  it.each([
    ['not JSON', 'invalid_json'],
    ['{"model": "world-oracle-a"}', 'invalid_request'],
    ['{"model": "world-oracle-a", "messages": []}', 'invalid_request'],
    [
      '{"model": "world-oracle-a", "messages": [{"role": "user", "content": "x"}], "n": 2}',
      'invalid_request',
    ],
  ])('refuses %s with an error in the shape of the API', async (body, code) => {
    service = await startService();
    const response = await service.post('/v1/chat/completions', body);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code, type: 'invalid_request_error' } });
  });
});

describe('faults', () => {
  it('strike exactly the next requests that they were set for', async () => {
    service = await startService();
    await fault('server-error', { next: 2 });
    for (let i = 0; i < 2; i++) {
      await expect(service.client.chat.completions.create(request())).rejects.toMatchObject({ status: 500 });
    }
    await service.client.chat.completions.create(request());
    expect(await service.stats()).toMatchObject({ requests: 3, answered: 1, faults: { 'server-error': 2 } });
  });

  it('429 carries retry-after, and the retrying client gets through without a second answer', async () => {
    service = await startService();
    await fault('rate-limit', { next: 1, retryAfterSeconds: 0.01 });
    await expect(service.client.chat.completions.create(request())).rejects.toSatisfy(
      (error) => error instanceof OpenAI.RateLimitError && error.headers.get('retry-after') === '0.01',
    );
    await fault('rate-limit', { next: 2, retryAfterSeconds: 0.01 });
    const completion = await service.client.chat.completions.create(request(), { maxRetries: 3 });
    expect(completion.choices[0]?.message.content).toContain('<answer>');
    expect(Object.values((await service.stats()).pairs)).toEqual([1]);
  });

  it('a hang runs into the time-out of the client', async () => {
    service = await startService();
    await fault('hang', { next: 1 });
    await expect(service.client.chat.completions.create(request(), { timeout: 50 })).rejects.toBeInstanceOf(
      OpenAI.APIConnectionTimeoutError,
    );
  });

  it('a cut connection and a malformed body are errors, whole and streamed', async () => {
    service = await startService();
    await fault('cut', { next: 1 });
    await expect(service.client.chat.completions.create(request())).rejects.toThrow();
    await fault('malformed', { next: 1 });
    await expect(service.client.chat.completions.create(request())).rejects.toThrow(SyntaxError);
    for (const kind of ['cut', 'malformed'] as const) {
      await fault(kind, { next: 1 });
      const stream = await service.client.chat.completions.create({ ...request(), stream: true });
      await expect(
        (async () => {
          let text = '';
          for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
          return text;
        })(),
      ).rejects.toThrow();
    }
    expect((await service.stats()).answered).toBe(0);
  });

  it('by rate are the same requests for the same seed, and can be cleared', async () => {
    const pattern = async (): Promise<string> => {
      service = await startService();
      await fault('server-error', { rate: 0.4, seed: 5 });
      let outcomes = '';
      for (let i = 0; i < 30; i++) {
        outcomes += await service.client.chat.completions.create(request(i)).then(
          () => '.',
          () => 'x',
        );
      }
      return outcomes;
    };
    const first = await pattern();
    expect(first).toMatch(/x/);
    expect(first).toMatch(/\./);
    await fetch(service.baseUrl.replace('/v1', '/faults'), { method: 'DELETE' });
    await service.client.chat.completions.create(request());
    await service.close();
    expect(await pattern()).toBe(first);
  });

  it('refuse a wrong description', async () => {
    service = await startService();
    expect((await fault('hang', {})).status).toBe(400);
    expect((await fault('hang', { rate: 2 })).status).toBe(400);
    expect((await fault('flood' as FaultKind, { next: 1 })).status).toBe(400);
  });
});

it('keeps answers right under many requests at once', async () => {
  service = await startService({ errorRate: 0, latencyMs: 5 });
  const answers = await Promise.all(
    train.map(async (pair, i) => {
      const gold = i % 2 === 0 ? 'A' : 'B';
      const { choices } = await service.client.chat.completions.create({
        model: 'world-oracle-b',
        messages: buildPrompt('compact-v1', present(pair, gold)),
      });
      return correctnessReward(choices[0]?.message.content ?? '', gold);
    }),
  );
  expect(answers.every((reward) => reward === 1)).toBe(true);
});
