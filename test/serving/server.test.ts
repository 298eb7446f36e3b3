import { request as httpRequest } from 'node:http';
import OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import type { Judge, Question } from '../../activities/evaluation/judges/judge.js';
import { startJudgeServer, type JudgeServer, type ServeOptions } from '../../serving/server.js';
import { until } from '../support/until.js';
import type { GroupResult, JudgeResult, PairResult } from '../../serving/schemas.js';

/** Prefers the longer answer; can be held, can prefer a place, counts what it is asked. */
function lengthJudge(change: Partial<Judge> & { biased?: boolean } = {}): Judge & { asked: Question[] } {
  const asked: Question[] = [];
  return {
    asked,
    identity: { kind: 'length' },
    concurrency: { initial: 8, most: 8 },
    stored: false,
    ask: async (question) => {
      asked.push(question);
      const { answerA, answerB } = question;
      const verdict = change.biased || answerA.length > answerB.length ? 'A' : 'B';
      return { verdict, text: `[[${verdict}]]`, inputTokens: 3, outputTokens: 2, finished: true };
    },
    close: async () => undefined,
    ...change,
  };
}

let server: JudgeServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const OPTIONS: ServeOptions = {
  host: '127.0.0.1',
  port: 0,
  model: 'judge',
  maxBodyBytes: 10_000,
  timeoutSeconds: 20,
  maxPending: 100,
};

async function serve(judge: Judge, options: Partial<ServeOptions> = {}): Promise<string> {
  server = await startJudgeServer(judge, { ...OPTIONS, ...options });
  return server.url;
}

async function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${url}/judge`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    headers,
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as never };
}

async function judged<T extends JudgeResult>(url: string, body: unknown): Promise<T> {
  const { status, body: result } = await post(url, body);
  expect(status, JSON.stringify(result)).toBe(200);
  return result;
}

/** A judge that answers when it is let go. */
function held() {
  let release!: () => void;
  const gate = new Promise<void>((resolve) => (release = resolve));
  const plain = lengthJudge();
  const judge = lengthJudge({
    ask: async (question, signal) => {
      const aborted = new Promise<never>((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason as Error)),
      );
      await Promise.race([gate, aborted]);
      return plain.ask(question, signal);
    },
  });
  return { judge, release };
}

/** Until so many judgements are under way. */
async function pending(url: string, count: number): Promise<void> {
  await until('judgements under way', async () =>
    (await (await fetch(`${url}/metrics`)).text()).includes(`rmr1_pending_judgements ${count}\n`),
  );
}

describe('POST /judge', () => {
  it('judges a pair as it was given, with the text', async () => {
    const url = await serve(lengthJudge());
    const result = await judged<PairResult>(url, { prompt: 'x', a: 'long answer', b: 'short' });
    expect(result).toMatchObject({ kind: 'pair', verdict: 'a', usage: { judgements: 1, inputTokens: 3 } });
    expect(result.judgements).toEqual([{ first: 'a', verdict: 'A', text: '[[A]]', finished: true }]);
  });

  it('in both orders a judge that prefers a place says tie', async () => {
    const url = await serve(lengthJudge({ biased: true }));
    expect(await judged<PairResult>(url, { prompt: 'x', a: 'one', b: 'two' })).toMatchObject({
      verdict: 'a',
    });
    const both = await judged<PairResult>(url, { prompt: 'x', a: 'one', b: 'two', orders: 'both' });
    expect(both.verdict).toBe('tie');
    expect(both.judgements.map(({ first }) => first)).toEqual(['a', 'b']);
  });

  it.each(['round-robin', 'knockout'] as const)('ranks a group by %s', async (method) => {
    const judge = lengthJudge();
    const url = await serve(judge);
    const answers = ['aa', 'aaaa', 'a', 'aaa'];
    const result = await judged<GroupResult>(url, { prompt: 'x', answers, method });
    expect(result.best).toBe(1);
    expect(judge.asked).toHaveLength(method === 'knockout' ? 2 * 3 : 2 * 6);
    if (method === 'round-robin') {
      expect(result.ranking).toEqual([1, 3, 0, 2]);
      expect(result.scores).toEqual([1 / 3, 1, 0, 2 / 3]);
    }
  });

  it('a judge that prefers a place gives a group no ranking', async () => {
    const url = await serve(lengthJudge({ biased: true }));
    const { scores } = await judged<GroupResult>(url, { prompt: 'x', answers: ['a', 'bb', 'ccc'] });
    expect(scores).toEqual([0.5, 0.5, 0.5]);
  });

  it('scores a group pointwise where the judge scores, and says so where it does not', async () => {
    const score: Judge['score'] = async (_, replies) => ({
      scores: replies.map(({ length }) => length),
      text: '',
      inputTokens: 1,
      outputTokens: 1,
    });
    const url = await serve(lengthJudge({ score }));
    const answers = Array.from({ length: 20 }, (_, index) => 'x'.repeat(index + 1));
    const result = await judged<GroupResult>(url, { prompt: 'x', answers, method: 'pointwise' });
    expect(result.scores).toEqual(answers.map(({ length }) => length));
    expect(result.best).toBe(19);
    expect(await judged(url, { prompt: 'x', answer: 'four' })).toMatchObject({
      score: 4,
      method: 'pointwise',
    });
    await server!.close();
    const plain = await serve(lengthJudge());
    expect(await post(plain, { prompt: 'x', answers, method: 'pointwise' })).toMatchObject({ status: 400 });
  });

  it('scores one answer of a judge of pairs by what it beats', async () => {
    const url = await serve(lengthJudge());
    const anchors = ['xx', 'xxxx', 'xxxxxx', 'xxxxxxxx'];
    expect(await judged(url, { prompt: 'x', answer: 'xxxxx', anchors })).toMatchObject({
      kind: 'answer',
      score: 0.5,
      method: 'anchors',
      usage: { judgements: 8 },
    });
    expect(await judged(url, { prompt: 'x', answer: 'y'.repeat(60) })).toMatchObject({ score: 1 });
  });

  it.each([
    ['{', /not JSON/],
    [{ a: '1', b: '2' }, /prompt/],
    [{ prompt: 'x', a: '1' }, /both a and b/],
    [{ prompt: 'x', a: '1', b: '2', answers: ['1', '2'] }, /answers/],
    [{ prompt: 'x', answers: ['1'] }, /answers/],
    [{ prompt: 'x', a: '1', b: '2', wheight: 1 }, /wheight/],
    [{ conversation: [{ role: 'assistant', content: 'x' }], a: '1', b: '2' }, /conversation/],
    [{ prompt: 'x', a: '1', b: '2', method: 'knockout' }, /method/],
  ])('refuses %j and names what is wrong', async (body, message) => {
    const { status, body: answer } = await post(await serve(lengthJudge()), body);
    expect(status).toBe(400);
    expect((answer as { error: { message: string } }).error.message).toMatch(message);
  });
});

describe('limits', () => {
  it('refuses a body that is too large, announced or not', async () => {
    const url = await serve(lengthJudge());
    const large = JSON.stringify({ prompt: 'x', a: 'y'.repeat(20_000), b: 'z' });
    expect((await post(url, large)).status).toBe(413);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(`${url}/judge`, { method: 'POST' }, (response) => {
        resolve(response.statusCode);
        response.resume();
        request.destroy();
      });
      request.on('error', reject);
      request.write(large);
    });
    expect(status).toBe(413);
  });

  it('answers 504 when the time is over, and lets go of the judge', async () => {
    const { judge } = held();
    const url = await serve(judge, { timeoutSeconds: 0.05 });
    const { status, body } = await post(url, { prompt: 'x', a: '1', b: '2' });
    expect(status).toBe(504);
    expect(body).toMatchObject({ error: { type: 'TimedOut' } });
    expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/^rmr1_pending_judgements 0$/m);
  });

  it('answers 429 with Retry-After when too much waits, and goes on afterwards', async () => {
    const { judge, release } = held();
    const url = await serve(judge, { maxPending: 2 });
    const pair = { prompt: 'x', a: 'long answer', b: 'short', orders: 'both' };
    const first = post(url, pair);
    await pending(url, 2);
    const second = await post(url, pair);
    expect(second.status).toBe(429);
    expect(Number(second.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    release();
    expect((await first).status).toBe(200);
    expect((await post(url, pair)).status).toBe(200);
  });

  it('a request that is larger than everything that may wait is served when it is alone', async () => {
    const url = await serve(lengthJudge(), { maxPending: 2 });
    await judged(url, { prompt: 'x', answers: ['a', 'bb', 'ccc'] });
  });

  it('wants the token for all but health', async () => {
    const url = await serve(lengthJudge(), { token: 'secret' });
    const pair = { prompt: 'x', a: '1', b: '2' };
    expect((await post(url, pair)).status).toBe(401);
    expect((await post(url, pair, { authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await post(url, pair, { authorization: 'Bearer secret' })).status).toBe(200);
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
  });

  it('a judge that cannot be reached is a gateway error with its own sentence', async () => {
    const down = Object.assign(new Error('The judge is away.'), { type: 'JudgeUnreachable' });
    const url = await serve(lengthJudge({ ask: async () => Promise.reject(down) }));
    expect(await post(url, { prompt: 'x', a: '1', b: '2' })).toMatchObject({
      status: 502,
      body: { error: { type: 'JudgeUnreachable', message: 'The judge is away.' } },
    });
  });
});

describe('a stop', () => {
  it('finishes what was taken, refuses the rest', async () => {
    const { judge, release } = held();
    const url = await serve(judge);
    const pair = { prompt: 'x', a: 'long answer', b: 'short' };
    const first = post(url, pair);
    await pending(url, 1);
    const closing = server!.close();
    expect((await fetch(`${url}/healthz`)).status).toBe(503);
    const refused = await post(url, pair);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).not.toBeNull();
    release();
    expect((await first).status).toBe(200);
    await closing;
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
    server = undefined;
  });
});

describe('the chat route', () => {
  const chat: Judge['chat'] = async (messages, { maxTokens }) => ({
    text: `${messages.length} messages, ${maxTokens} tokens`,
    finishReason: 'stop',
    inputTokens: 4,
    outputTokens: 6,
  });

  it("answers OpenAI's own client, whole and streamed", async () => {
    const url = await serve(lengthJudge({ chat }), { token: 'secret' });
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'secret', maxRetries: 0 });
    const messages = [{ role: 'user' as const, content: 'hello' }];
    const whole = await client.chat.completions.create({ model: 'judge', messages, max_tokens: 9 });
    expect(whole.choices[0]?.message.content).toBe('1 messages, 9 tokens');
    expect(whole.usage?.total_tokens).toBe(10);
    const stream = await client.chat.completions.create({ model: 'judge', messages, stream: true });
    let text = '';
    for await (const event of stream) text += event.choices[0]?.delta.content ?? '';
    expect(text).toBe('1 messages, 1024 tokens');
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['judge']);
  });

  it('is not there for a judge that writes nothing', async () => {
    const url = await serve(lengthJudge());
    const body = JSON.stringify({ messages: [{ role: 'user', content: 'x' }] });
    const response = await fetch(`${url}/v1/chat/completions`, { method: 'POST', body });
    expect(response.status).toBe(404);
  });
});

it('counts requests, verdicts, tokens and latency in the format that Prometheus reads', async () => {
  const url = await serve(lengthJudge());
  await judged(url, { prompt: 'x', a: 'long answer', b: 'short' });
  await post(url, '{');
  await fetch(`${url}/nowhere`);
  const text = await (await fetch(`${url}/metrics`)).text();
  expect(text).toMatch(/^rmr1_requests_total\{route="\/judge",status="200"\} 1$/m);
  expect(text).toMatch(/^rmr1_requests_total\{route="\/judge",status="400"\} 1$/m);
  expect(text).toMatch(/^rmr1_requests_total\{route="other",status="404"\} 1$/m);
  expect(text).toMatch(/^rmr1_judgements_total\{verdict="A"\} 1$/m);
  expect(text).toMatch(/^rmr1_tokens_total\{direction="written"\} 2$/m);
  expect(text).toMatch(/^rmr1_request_seconds_bucket\{route="\/judge",le="\+Inf"\} 2$/m);
  for (const line of text.trim().split('\n'))
    expect(line).toMatch(/^(# (HELP|TYPE) \S+ .+|[a-z0-9_]+(\{[^}]*\})? -?[0-9.e+-]+)$/);
});
