import { describe, expect, it, vi } from 'vitest';
import { AdaptiveLimit } from '../../activities/evaluation/judges/adaptive-limit.js';

/** A limit on a clock that only the test moves. */
function limited(initial: number, most = 100) {
  const clock = { now: 1000 };
  const limit = new AdaptiveLimit({ initial, most, now: () => clock.now });
  /** One round of answers with one latency, as many as may be in flight. */
  const round = (latencyMs: number, seconds = latencyMs / 1000) => {
    const count = Math.max(4, limit.limit);
    clock.now += seconds * 1000;
    for (let i = 0; i < count; i++) limit.answered(latencyMs);
  };
  return { clock, limit, round };
}

describe('the number of questions in flight', () => {
  it('doubles each round until the endpoint shows its limit, then grows by one', () => {
    const { clock, limit, round } = limited(8);
    for (let i = 0; i < 3; i++) round(100);
    expect(limit.limit).toBe(64);
    clock.now += 1;
    limit.refused(clock.now, 0);
    expect(limit.limit).toBe(32);
    for (let i = 0; i < 5; i++) round(100);
    expect(limit.limit).toBe(37);
  });

  it('gives back what the last doubling was too much', () => {
    const { limit, round } = limited(8);
    round(100);
    round(100);
    expect(limit.limit).toBe(32);
    round(400);
    expect(limit.limit).toBe(16);
    // The first round after a cut was asked before it.
    round(100);
    expect(limit.limit).toBe(16);
    round(100);
    expect(limit.limit).toBe(17);
  });

  it('does not fall without end where the endpoint is slower than it was, however little is asked', () => {
    const { limit, round } = limited(8);
    round(100);
    round(100);
    for (let i = 0; i < 40; i++) round(400);
    expect(limit.limit).toBeGreaterThan(16);
  });

  it('keeps asking less while that makes the answers faster', () => {
    const { limit, round } = limited(8);
    // Eight at once take 100 ms; what is more than that waits.
    for (let i = 0; i < 60; i++) round(100 * Math.max(1, limit.limit / 8));
    expect(limit.limit).toBeLessThanOrEqual(24);
    expect(limit.limit).toBeGreaterThanOrEqual(8);
  });

  it('never goes beyond what was allowed', () => {
    const { limit, round } = limited(8, 10);
    for (let i = 0; i < 20; i++) round(100);
    expect(limit.limit).toBe(10);
  });

  it('is halved once by the refusals of one moment, and again by those of a later one', () => {
    const { clock, limit } = limited(32);
    const sentAt = clock.now;
    clock.now += 50;
    for (let i = 0; i < 20; i++) limit.refused(sentAt, 0);
    expect(limit.limit).toBe(16);
    clock.now += 50;
    limit.refused(clock.now, 0);
    expect(limit.limit).toBe(8);
  });

  it('is one at the least', () => {
    const { clock, limit } = limited(2);
    for (let i = 0; i < 10; i++) limit.refused((clock.now += 10), 0);
    expect(limit.limit).toBe(1);
  });

  it('shrinks where answers only get slower, not where they are slower but more', () => {
    const slower = limited(16);
    slower.round(100);
    slower.round(100);
    const before = slower.limit.limit;
    slower.round(400);
    expect(slower.limit.limit).toBeLessThan(before);

    const more = limited(16);
    more.round(100);
    more.round(300, 0.05);
    expect(more.limit.limit).toBe(64);
  });

  it('holds everything back for as long as the endpoint asked', async () => {
    vi.useFakeTimers();
    try {
      const limit = new AdaptiveLimit({ initial: 4, most: 4, now: () => Date.now() });
      limit.refused(Date.now(), 30_000);
      const ran = vi.fn(async () => undefined);
      const running = limit.run(ran);
      await vi.advanceTimersByTimeAsync(29_000);
      expect(ran).not.toHaveBeenCalled();
      await vi.advanceTimersByTimeAsync(1_000);
      await running;
      expect(ran).toHaveBeenCalledOnce();
    } finally {
      vi.useRealTimers();
    }
  });

  it('lets in who waits whenever a pause ends, also between two looks at the clock', async () => {
    for (let pauseMs = 0; pauseMs < 12; pauseMs++) {
      let now = 0;
      const limit = new AdaptiveLimit({ initial: 1, most: 1, now: () => now++ });
      limit.refused(0, pauseMs);
      await limit.run(() => Promise.resolve());
    }
  });

  it('lets in as many as there is room for, in order', async () => {
    const limit = new AdaptiveLimit({ initial: 2, most: 2 });
    const order: number[] = [];
    let open = 0;
    let peak = 0;
    await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        limit.run(async () => {
          peak = Math.max(peak, ++open);
          order.push(index);
          await new Promise((resolve) => setImmediate(resolve));
          open -= 1;
        }),
      ),
    );
    expect(peak).toBe(2);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});
