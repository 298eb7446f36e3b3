import { setMaxListeners } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { controlJudge } from '../../activities/evaluation/judges/controls.js';
import { Throttled, type Judge, type Question } from '../../activities/evaluation/judges/judge.js';
import { majorityJudge, majorityOf } from '../../activities/evaluation/judges/majority-judge.js';
import { openBareJudge } from '../../activities/evaluation/judges/open-judge.js';
import { pricedJudge } from '../../activities/evaluation/judges/priced-judge.js';
import { openaiJudge, verdictLogprobs } from '../../activities/evaluation/judges/openai-judge.js';
import { Patience } from '../../activities/evaluation/judges/patience.js';
import { judgeSettingsSchema, samplingSchema, type JudgeSettings } from '../../workflows/judge-settings.js';
import {
  startScripted,
  type Scripted,
  type ScriptedEndpoint,
  type ScriptedRequest,
} from './scripted-endpoint.js';

const { signal } = new AbortController();
setMaxListeners(0, signal);
const question: Question = {
  conversation: [{ role: 'user', content: 'Which city is the capital of Norway?' }],
  answerA: 'Oslo.',
  answerB: 'Bergen, of course.',
  sample: 0,
  gold: 'A',
  key: 'item-1',
};

let endpoint: ScriptedEndpoint | undefined;
afterEach(async () => {
  await endpoint?.close();
  endpoint = undefined;
});

async function judgeOf(
  answer: (request: ScriptedRequest, index: number) => Scripted | undefined,
  settings: Record<string, unknown> = {},
  sampling: Record<string, unknown> = {},
): Promise<Judge & { patience: Patience }> {
  endpoint = await startScripted(answer);
  const base = { kind: 'openai', model: 'm', baseUrl: endpoint.baseUrl };
  const parsed: JudgeSettings = judgeSettingsSchema.parse({ ...base, ...settings });
  const opened = await openBareJudge(parsed, samplingSchema.parse(sampling), {
    patience: { firstPauseMs: 1, silenceMs: 2_000 },
  });
  return { ...opened.judge, patience: opened.patience[0]! };
}

describe('an OpenAI-compatible judge', () => {
  it.each([
    ['<answer>[[A]]</answer>', 'A'],
    ['[[B]]', 'B'],
    ['I weigh [[A]] against [[B]].', 'both'],
    ['', 'none'],
  ])('says of the text %j: %s', async (text, verdict) => {
    const judge = await judgeOf(() => ({ text }));
    const opinion = await judge.ask(question, signal);
    expect(opinion).toMatchObject({ verdict, text, inputTokens: 10, outputTokens: 5, finished: true });
    expect(endpoint!.requests).toHaveLength(1);
  });

  it('does not tell which answer is better, and sends each order as it is', async () => {
    const judge = await judgeOf(() => ({ text: '[[A]]' }));
    await judge.ask(question, signal);
    await judge.ask({ ...question, gold: 'B' }, signal);
    const [first, second] = endpoint!.requests;
    expect(first).toEqual(second);
    expect(JSON.stringify(first!.body.messages)).not.toContain('item-1');
  });

  it('knows a judgement that its budget cut', async () => {
    const judge = await judgeOf(() => ({ text: '<rubric>', finishReason: 'length' }), {}, { maxTokens: 512 });
    expect(await judge.ask(question, signal)).toMatchObject({ verdict: 'none', finished: false });
    expect(endpoint!.requests[0]!.body['max_tokens']).toBe(512);
  });

  it('draws samples with seeds of their own at a temperature, and names them in its identity', async () => {
    const judge = await judgeOf(() => ({ text: '[[A]]' }), {}, { temperature: 0.7, seed: 5 });
    await judge.ask(question, signal);
    await judge.ask({ ...question, sample: 3 }, signal);
    expect(endpoint!.requests.map(({ body }) => body.seed)).toEqual([5, 8]);
    expect(judge.identity).toMatchObject({ temperature: 0.7, seed: 5 });
  });

  it('rides out a storm of 429 and does what retry-after says, with less in flight than before', async () => {
    const judge = await judgeOf((_, index) =>
      index % 3 === 0 && index < 60
        ? { status: 429, headers: { 'retry-after-ms': '5' } }
        : { text: '[[A]]', delayMs: 2 },
    );
    const opinions = await Promise.all(
      Array.from({ length: 60 }, (_, sample) => judge.ask({ ...question, sample }, signal)),
    );
    expect(opinions.every(({ verdict }) => verdict === 'A')).toBe(true);
    expect(judge.patience.throttled).toBe(20);
    expect(endpoint!.requests).toHaveLength(80);
  });

  it('gives up an endpoint that only refuses, with a sentence that says so', async () => {
    endpoint = await startScripted(() => ({ status: 429 }));
    const settings = judgeSettingsSchema.parse({ kind: 'openai', model: 'm', baseUrl: endpoint.baseUrl });
    const { judge } = await openBareJudge(settings, samplingSchema.parse({}), {
      patience: { firstPauseMs: 5, silenceMs: 60 },
    });
    await expect(judge.ask(question, signal)).rejects.toMatchObject({
      type: 'JudgeUnreachable',
      message: expect.stringMatching(/refused every request .* kept/) as string,
    });
  });

  it.each([
    ['cut connections', () => undefined],
    ['5xx', () => ({ status: 500 })],
    ['an answer without choices', () => ({ body: { choices: [] } })],
  ])('asks again after passing faults (%s)', async (_, fault) => {
    const judge = await judgeOf((_request, index) => (index < 3 ? fault() : { text: '[[B]]' }));
    expect(await judge.ask(question, signal)).toMatchObject({ verdict: 'B' });
    expect(endpoint!.requests).toHaveLength(4);
  });

  it('says that an endpoint died rather than asking for ever', async () => {
    const judge = await judgeOf(() => ({ text: '[[A]]' }));
    await judge.ask(question, signal);
    await endpoint!.close();
    await expect(judge.ask(question, signal)).rejects.toMatchObject({ type: 'JudgeUnreachable' });
  });

  it.each([
    [401, 'JudgeCredentials'],
    [404, 'JudgeRejected'],
    [400, 'JudgeRejected'],
  ])('does not repeat a request that was refused for good (%d)', async (status, type) => {
    const judge = await judgeOf(() => ({ status, text: 'model not found' }));
    await expect(judge.ask(question, signal)).rejects.toMatchObject({ type });
    expect(endpoint!.requests).toHaveLength(1);
  });

  it('leaves its place in the queue when nobody waits any more', async () => {
    const judge = await judgeOf(() => ({ text: '[[A]]', delayMs: 30 }), { concurrency: 1 });
    const first = judge.ask(question, signal);
    const abort = new AbortController();
    const second = judge.ask({ ...question, sample: 1 }, abort.signal);
    abort.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    expect(await first).toMatchObject({ verdict: 'A' });
    expect(endpoint!.requests).toHaveLength(1);
  });

  it('asks for log-probabilities where they are offered, and goes on without them where not', async () => {
    const top = [
      { token: 'A', logprob: -0.1 },
      { token: 'B', logprob: -2.4 },
    ];
    const content = ['<answer>', '[[', 'A', ']]'].map((token) => ({
      token,
      top_logprobs: token === 'A' ? top : [],
    }));
    const offered = await judgeOf(() => ({ text: '<answer>[[A]]', logprobs: { content } }), {
      logprobs: true,
    });
    expect((await offered.ask(question, signal)).scores).toEqual([-0.1, -2.4]);
    await endpoint!.close();
    const refused = await judgeOf(
      ({ body }) =>
        body['logprobs'] ? { status: 400, text: 'logprobs are not supported' } : { text: '[[A]]' },
      { logprobs: true },
    );
    expect(await refused.ask(question, signal)).toMatchObject({ verdict: 'A' });
    await refused.ask(question, signal);
    expect(endpoint!.requests).toHaveLength(3);
  });
});

describe('log-probabilities of a verdict', () => {
  const at = (...tokens: [string, [string, number][]][]) =>
    tokens.map(([token, top]) => ({
      token,
      top: top.map(([other, logprob]) => ({ token: other, logprob })),
    }));

  it('are those of the last letter after [[, however the text was cut into tokens', () => {
    expect(
      verdictLogprobs(
        at(
          [
            '[[A',
            [
              ['[[A', -0.5],
              ['[[B', -1],
            ],
          ],
          [']]', []],
        ),
      ),
    ).toEqual([-0.5, -1]);
    expect(
      verdictLogprobs(
        at(
          ['A B [[', []],
          [
            'B',
            [
              ['B', -0.2],
              ['C', -3],
            ],
          ],
          [']]</answer>', []],
        ),
      ),
    ).toEqual([-3, -0.2]);
    expect(verdictLogprobs(at(['A', [['A', -0.5]]], ['pple', []]))).toBeUndefined();
  });
});

describe('scoring judges', () => {
  it('pointwise: the strictly higher score wins, equal ones are a tie, no scores are no verdict', async () => {
    const texts = ['<scores>8, 3</scores>', '<scores>4, 4</scores>', 'no idea'];
    const judge = await judgeOf((_, index) => ({ text: texts[index]! }), { kind: 'pointwise' });
    expect(await judge.ask(question, signal)).toMatchObject({ verdict: 'A', scores: [8, 3] });
    expect(await judge.ask(question, signal)).toMatchObject({ verdict: 'tie', scores: [4, 4] });
    const opinion = await judge.ask(question, signal);
    expect(opinion.verdict).toBe('none');
    expect(opinion.scores).toBeUndefined();
  });

  it('scalar: asks the pooling route for each answer and takes its last number', async () => {
    const judge = await judgeOf(
      ({ body }) => {
        const reply = body.messages.at(-1)!.content;
        return { body: { data: [{ data: reply === 'Oslo.' ? [0.1, 2.5] : [[-1], [-0.5]] }] } };
      },
      { kind: 'scalar' },
    );
    expect(await judge.ask(question, signal)).toMatchObject({ verdict: 'A', scores: [2.5, -0.5] });
    expect(endpoint!.requests.map(({ path }) => path)).toEqual(['/pooling', '/pooling']);
  });

  it('scalar: an endpoint that gives no score is named as one that is served wrongly', async () => {
    const judge = await judgeOf(() => ({ body: { data: [] } }), { kind: 'scalar' });
    await expect(judge.ask(question, signal)).rejects.toMatchObject({
      type: 'JudgeRejected',
      message: expect.stringMatching(/reward model/) as string,
    });
  });
});

describe('a majority', () => {
  const voter = (verdict: 'A' | 'B' | 'none', model: string): Judge => ({
    ...controlJudge('length', 0),
    identity: { model },
    ask: async () => ({ verdict, text: 'why', inputTokens: 1, outputTokens: 2, finished: true }),
  });

  it('needs more than half of all voters, also where some say nothing', () => {
    expect(majorityOf(['A', 'A', 'B'])).toBe('A');
    expect(majorityOf(['A', 'B', 'none'])).toBe('none');
    expect(majorityOf(['A', 'none', 'none'])).toBe('none');
  });

  it('asks all its members and keeps what each said', async () => {
    const judge = majorityJudge([voter('B', 'x'), voter('A', 'y'), voter('B', 'z')]);
    expect(await judge.ask(question, signal)).toMatchObject({
      verdict: 'B',
      inputTokens: 3,
      outputTokens: 6,
    });
    expect((await judge.ask(question, signal)).text).toMatch(/x: B[\s\S]*y: A[\s\S]*z: B/);
  });

  it('costs what its members cost, where all of them tell', async () => {
    const price = { inputPerMillion: 1_000_000, outputPerMillion: 0 };
    const [x, y, z] = [voter('A', 'x'), voter('A', 'y'), voter('A', 'z')].map((one) =>
      pricedJudge(one, price),
    );
    expect((await majorityJudge([x!, y!, z!]).ask(question, signal)).costUsd).toBe(3);
    const partly = majorityJudge([x!, y!, voter('B', 'free')]);
    expect((await partly.ask(question, signal)).costUsd).toBeUndefined();
  });

  it('is odd', () => {
    const member = { kind: 'openai', model: 'm' };
    const even = judgeSettingsSchema.safeParse({
      kind: 'majority',
      members: [member, member, member, member],
    });
    expect(even.error?.issues[0]?.message).toMatch(/odd/);
  });
});

describe('controls', () => {
  it('length prefers the longer answer, oracle the better one', async () => {
    expect(await controlJudge('length', 0).ask(question, signal)).toMatchObject({
      verdict: 'B',
      scores: [5, 18],
    });
    expect(await controlJudge('oracle', 0).ask(question, signal)).toMatchObject({ verdict: 'A' });
  });

  it('random is a fair coin that depends on seed, item and order alone', async () => {
    const toss = async (seed: number, key: string) =>
      (await controlJudge('random', seed).ask({ ...question, key }, signal)).verdict;
    const verdicts = await Promise.all(Array.from({ length: 400 }, (_, index) => toss(1, `item ${index}`)));
    const shareOfA = verdicts.filter((verdict) => verdict === 'A').length / verdicts.length;
    expect(shareOfA).toBeGreaterThan(0.4);
    expect(shareOfA).toBeLessThan(0.6);
    expect(await toss(1, 'item 7')).toBe(verdicts[7]);
    const other = await Promise.all(Array.from({ length: 400 }, (_, index) => toss(2, `item ${index}`)));
    expect(other).not.toEqual(verdicts);
  });
});

it('a key is asked for by name, before anything is sent', () => {
  const before = { ...process.env };
  delete process.env['OPENAI_API_KEY'];
  delete process.env['RMR1_JUDGE_API_KEY'];
  try {
    const settings = judgeSettingsSchema.parse({
      kind: 'openai',
      model: 'm',
      baseUrl: 'https://judge.example/v1',
    });
    expect(() => openaiJudge(settings as never, samplingSchema.parse({}))).toThrow(/RMR1_JUDGE_API_KEY/);
  } finally {
    process.env = before;
  }
});

it('waits out overload without counting it as a fault', async () => {
  const patience = new Patience({ initial: 4, most: 4 }, { firstPauseMs: 1 });
  let refusals = 12;
  const answer = await patience.run(async () => {
    if (refusals-- > 0) throw new Throttled(1, 429);
    return 'done';
  }, signal);
  expect(answer).toBe('done');
  expect(patience.limit.limit).toBe(1);
});
