/** Calls wait for what the headers announce instead of being refused; a refusal holds back all of them. */
import { expect, it } from 'vitest';
import { RateLimits, retryAfterMs, type Pace } from '../../activities/oracle/backends/rate-limits.js';
import { send } from '../../activities/oracle/backends/send.js';

/** Time that passes only in sleeps. */
function fakePace(random = 0): Pace & { slept: number[]; time: number } {
  const pace = {
    time: 1_000_000,
    slept: [] as number[],
    now: () => pace.time,
    random: () => random,
    sleep: async (ms: number, signal: AbortSignal) => {
      signal.throwIfAborted();
      pace.slept.push(ms);
      pace.time += ms;
    },
  };
  return pace;
}
const never = new AbortController().signal;
const headers = (entries: Record<string, string>) => ({ headers: new Headers(entries) });
const failure = (status: number, entries: Record<string, string> = {}) =>
  Object.assign(new Error(`HTTP ${status}`), { status, headers: new Headers(entries) });

it('nothing announced: nothing waits', async () => {
  const pace = fakePace();
  const limits = new RateLimits(pace);
  for (let i = 0; i < 100; i++) limits.learn(await limits.acquire(10_000, never), new Headers());
  expect(pace.slept).toEqual([]);
});

it.each([
  ['OpenAI', 'x-ratelimit-limit-requests', 'x-ratelimit-remaining-requests'],
  ['Anthropic', 'anthropic-ratelimit-requests-limit', 'anthropic-ratelimit-requests-remaining'],
])(
  'requests per minute of %s: a spent bucket is waited for until it has refilled',
  async (_, limit, rest) => {
    const pace = fakePace();
    const limits = new RateLimits(pace);
    limits.learn(await limits.acquire(1, never), new Headers({ [limit]: '60', [rest]: '2' }));
    await limits.acquire(1, never);
    await limits.acquire(1, never);
    expect(pace.slept).toEqual([]);
    await limits.acquire(1, never);
    // One request a second is refilled at sixty a minute.
    expect(pace.slept).toEqual([1000]);
  },
);

it('tokens per minute: a large call waits longer than a small one, and one above the limit is still tried', async () => {
  const pace = fakePace();
  const limits = new RateLimits(pace);
  const said = new Headers({ 'x-ratelimit-limit-tokens': '6000', 'x-ratelimit-remaining-tokens': '100' });
  limits.learn(await limits.acquire(50, never), said);
  await limits.acquire(200, never);
  expect(pace.slept).toEqual([1000]);
  await limits.acquire(90_000, never);
  expect(pace.time - 1_000_000).toBe(1000 + 60_000);
});

it('a header tells nothing about calls that were sent after its own', async () => {
  const pace = fakePace();
  const limits = new RateLimits(pace);
  const first = await limits.acquire(1, never);
  for (let i = 0; i < 5; i++) await limits.acquire(1, never);
  limits.learn(
    first,
    new Headers({ 'x-ratelimit-limit-requests': '60', 'x-ratelimit-remaining-requests': '5' }),
  );
  await limits.acquire(1, never);
  expect(pace.slept).toEqual([1000]);
});

it('retry-after: seconds, milliseconds, a date, nonsense', () => {
  const now = Date.UTC(2026, 0, 1);
  const of = (entries: Record<string, string>) => retryAfterMs(new Headers(entries), now);
  expect(of({ 'retry-after': '2.5' })).toBe(2500);
  expect(of({ 'retry-after-ms': '40', 'retry-after': '1' })).toBe(40);
  expect(of({ 'retry-after': new Date(now + 7000).toUTCString() })).toBe(7000);
  expect(of({ 'retry-after': 'soon' })).toBeUndefined();
  expect(of({})).toBeUndefined();
});

it('a 429 blocks every call that shares the limits for as long as the provider says', async () => {
  const pace = fakePace();
  const limits = new RateLimits(pace);
  let calls = 0;
  const answer = await send(
    limits,
    1,
    never,
    async () => {
      if (calls++ === 0) throw failure(429, { 'retry-after': '20' });
      return { data: pace.time, response: headers({}) };
    },
    { pace },
  );
  expect(answer).toBeGreaterThanOrEqual(1_000_000 + 20_000);
  limits.block(30_000);
  const before = pace.time;
  await limits.acquire(1, never);
  expect(pace.time - before).toBe(30_000);
});

it('backs off exponentially with jitter, and gives up in the end', async () => {
  for (const [random, first] of [
    [0, 250],
    [0.999, 500],
  ] as const) {
    const pace = fakePace(random);
    let calls = 0;
    const sending = send(
      new RateLimits(pace),
      1,
      never,
      async () => {
        calls += 1;
        throw failure(503);
      },
      { pace },
    );
    await expect(sending).rejects.toThrow('HTTP 503');
    expect(calls).toBe(7);
    expect(pace.slept[0]).toBeCloseTo(first, -1);
    for (let i = 1; i < pace.slept.length; i++) expect(pace.slept[i]! / pace.slept[i - 1]!).toBeCloseTo(2, 5);
  }
});

it.each([400, 401, 404, 422])('HTTP %i is not tried again', async (status) => {
  let calls = 0;
  const sending = send(new RateLimits(fakePace()), 1, never, async () => {
    calls += 1;
    throw failure(status);
  });
  await expect(sending).rejects.toMatchObject({ status });
  expect(calls).toBe(1);
});

it('an account without credit is not asked again, though the status says 429', async () => {
  let calls = 0;
  const sending = send(new RateLimits(fakePace()), 1, never, async () => {
    calls += 1;
    throw Object.assign(failure(429), { code: 'insufficient_quota' });
  });
  await expect(sending).rejects.toMatchObject({ code: 'insufficient_quota' });
  expect(calls).toBe(1);
});

it('an aborted call waits no longer', async () => {
  const stop = new AbortController();
  const limits = new RateLimits();
  limits.block(600_000);
  const waiting = limits.acquire(1, stop.signal);
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow();
});
