/** Both chat backends against the service: answers, bad answers, refused keys, unknown models, limits. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openBackend } from '../../activities/oracle/backends/open-backend.js';
import { checkOracle } from '../../activities/oracle/endpoint.js';
import type { OracleQuestion } from '../../activities/oracle/answer-cache.js';
import { present } from '../../judge/pair.js';
import { buildPrompt } from '../../judge/prompt/build.js';
import { loadRecipe } from '../../recipes/load.js';
import type { Recipe } from '../../recipes/schema.js';
import { generateWorld } from '../../world/index.js';
import { startService, type TestService } from '../oracle/service.js';

const { train } = generateWorld({ seed: 6, train: 40, validation: 1, test: 1 });
const PROVIDERS = ['openai', 'anthropic'] as const;
const never = new AbortController().signal;

let service: TestService;
afterEach(async () => {
  vi.unstubAllEnvs();
  await service?.close();
});

function oracleOf(provider: Recipe['oracle']['provider']): Recipe['oracle'] {
  const { oracle } = loadRecipe('quickstart');
  const baseUrl = provider === 'anthropic' ? service.baseUrl.replace('/v1', '') : service.baseUrl;
  return { ...oracle, provider, baseUrl };
}
const question = (index = 0, model = 'world-oracle-a'): OracleQuestion => ({
  model,
  messages: buildPrompt('cor-v1', present(train[index]!, 'A')),
  temperature: 0,
  maxTokens: 512,
  sample: 0,
});
const fault = (kind: string, rest: object) => service.post('/faults', JSON.stringify({ kind, ...rest }));

describe.each(PROVIDERS)('%s', (provider) => {
  it('answers with usage, as the service counts it', async () => {
    service = await startService();
    const answer = await openBackend(oracleOf(provider)).ask(question(), never);
    expect(answer.text).toContain('<answer>');
    expect(answer.finishReason).toBe('stop');
    const { bills } = await service.stats();
    expect(bills['chat:world-oracle-a']).toEqual({
      calls: 1,
      inputTokens: answer.inputTokens,
      outputTokens: answer.outputTokens,
    });
  });

  it.each([
    ['empty', { text: '', finishReason: 'stop' }],
    ['refusal', { text: '', finishReason: 'content_filter' }],
    ['truncated', { finishReason: 'length', outputTokens: 8 }],
    ['misplaced', { finishReason: 'stop' }],
    ['foreign', { text: expect.stringContaining('回答') as string, finishReason: 'stop' }],
  ])('takes an answer that is %s for what it is, and asks once', async (kind, expected) => {
    service = await startService();
    await fault(kind, { next: 1 });
    expect(await openBackend(oracleOf(provider)).ask(question(), never)).toMatchObject(expected);
    expect((await service.stats()).requests).toBe(1);
  });

  it('asks again after a body that is no JSON, a cut one, an overload and a 429', async () => {
    service = await startService();
    for (const kind of ['malformed', 'cut', 'server-error']) await fault(kind, { next: 1 });
    await fault('rate-limit', { next: 1, retryAfterSeconds: 0.01 });
    const { text } = await openBackend(oracleOf(provider)).ask(question(), never);
    expect(text).toContain('<answer>');
    expect((await service.stats()).answered).toBe(1);
  });

  it('names the model that is not there, and does not ask twice', async () => {
    service = await startService();
    const asked = openBackend(oracleOf(provider)).ask(question(0, 'gone'), never);
    await expect(asked).rejects.toMatchObject({
      type: 'OracleRejected',
      message: expect.stringContaining('gone') as string,
    });
    expect((await service.stats()).requests).toBe(1);
  });

  it('stays within the limits that the headers announce: no request is refused', async () => {
    service = await startService({ requestsPerMinute: 30 });
    const backend = openBackend(oracleOf(provider));
    await backend.ask(question(0), never);
    await Promise.all(Array.from({ length: 30 }, (_, i) => backend.ask(question(i + 1), never)));
    const { requests, answered, rejected } = await service.stats();
    expect({ requests, answered, rejected }).toEqual({ requests: 31, answered: 31, rejected: 0 });
  });
});

it('survives an answer of 10 MB', async () => {
  service = await startService();
  await fault('huge', { next: 1 });
  const { text } = await openBackend(oracleOf('openai')).ask(question(), never);
  expect(text.length).toBeGreaterThan(10_000_000);
});

describe('before the first question', () => {
  it.each([
    ['openai', 'OPENAI_API_KEY', 'OPENAI_BASE_URL'],
    ['anthropic', 'ANTHROPIC_API_KEY', 'ANTHROPIC_BASE_URL'],
  ] as const)('%s: a missing or refused key names %s', async (provider, variable, address) => {
    service = await startService({ apiKey: 'secret' });
    vi.stubEnv(variable, undefined);
    vi.stubEnv(address, undefined);
    const away = { ...oracleOf(provider), baseUrl: 'https://oracle.invalid/v1' };
    await expect(checkOracle(away)).rejects.toMatchObject({
      type: 'OracleCredentials',
      message: expect.stringContaining(`${variable} is not set`) as string,
    });
    vi.stubEnv(variable, 'guess');
    await expect(checkOracle(oracleOf(provider))).rejects.toMatchObject({
      type: 'OracleCredentials',
      message: expect.stringMatching(new RegExp(`refused the key.*${variable}`)) as string,
    });
    vi.stubEnv(variable, 'secret');
    await checkOracle(oracleOf(provider));
    expect((await service.stats()).requests).toBe(0);
  });

  it.each([
    ['openai', 'OPENAI_BASE_URL'],
    ['anthropic', 'ANTHROPIC_BASE_URL'],
  ] as const)('%s: an unknown model is found out, with those that there are', async (provider, address) => {
    service = await startService();
    const oracle = oracleOf(provider);
    vi.stubEnv(address, oracle.baseUrl);
    delete oracle.baseUrl;
    await checkOracle(oracle);
    await expect(checkOracle({ ...oracle, correctionModel: 'gone' })).rejects.toMatchObject({
      type: 'OracleRejected',
      message: expect.stringMatching(/oracle\.correctionModel.*'gone'.*world-oracle-a/) as string,
    });
  });
});
