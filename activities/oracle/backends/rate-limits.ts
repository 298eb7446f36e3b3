/**
 * Requests and tokens per minute, learned from the response headers of both providers. Calls wait here before they are
 * sent rather than being refused; whatever is not announced is not limited.
 */
import { setTimeout as sleep } from 'node:timers/promises';

/** Time and chance, replaced in tests. */
export interface Pace {
  /** Milliseconds. */
  now: () => number;
  /** @throws the signal's reason where it is aborted. */
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Uniform in [0, 1). */
  random: () => number;
}

export const realPace: Pace = {
  now: () => Date.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
  random: () => Math.random(),
};

type Kind = 'requests' | 'tokens';

/** One announced limit: a bucket that the provider refills evenly. */
interface Bucket {
  limit: number;
  level: number;
  /** When `level` was right. */
  at: number;
}

const MINUTE = 60_000;
/** Waiting longer than this in one go would trust a header too much. */
const LONGEST_WAIT_MS = MINUTE;

/** Taken when a call is let through; given back with its response. */
export interface Ticket {
  taken: Record<Kind, number>;
}

export class RateLimits {
  private readonly buckets = new Map<Kind, Bucket>();
  /** All that was ever let through. */
  private readonly taken: Record<Kind, number> = { requests: 0, tokens: 0 };
  private blockedUntil = 0;

  constructor(private readonly pace: Pace = realPace) {}

  /** Wait until a call of about `tokens` fits. @throws the signal's reason where it is aborted. */
  async acquire(tokens: number, signal: AbortSignal): Promise<Ticket> {
    for (;;) {
      signal.throwIfAborted();
      const wait = this.waitFor(tokens);
      if (wait <= 0) break;
      await this.pace.sleep(Math.min(wait, LONGEST_WAIT_MS), signal);
    }
    const cost = { requests: 1, tokens };
    for (const kind of ['requests', 'tokens'] as const) {
      const bucket = this.buckets.get(kind);
      if (bucket) this.refill(bucket).level -= cost[kind];
      this.taken[kind] += cost[kind];
    }
    return { taken: { ...this.taken } };
  }

  /** Learn from a response, good or bad. */
  learn({ taken }: Ticket, headers: Headers | undefined): void {
    if (!headers) return;
    for (const kind of ['requests', 'tokens'] as const) {
      const limit = numberIn(headers, `x-ratelimit-limit-${kind}`, `anthropic-ratelimit-${kind}-limit`);
      const remaining = numberIn(
        headers,
        `x-ratelimit-remaining-${kind}`,
        `anthropic-ratelimit-${kind}-remaining`,
      );
      if (limit === undefined || remaining === undefined || limit <= 0) continue;
      // What was let through after this call was not counted yet when the provider wrote the header.
      const since = this.taken[kind] - taken[kind];
      this.buckets.set(kind, { limit, level: remaining - since, at: this.pace.now() });
    }
  }

  /** Nothing is sent for so long: the provider said so. */
  block(ms: number): void {
    this.blockedUntil = Math.max(this.blockedUntil, this.pace.now() + ms);
  }

  private waitFor(tokens: number): number {
    let wait = this.blockedUntil - this.pace.now();
    for (const [kind, bucket] of this.buckets) {
      const { limit, level } = this.refill(bucket);
      // A call that is larger than the whole limit waits for a full bucket and is then tried.
      const need = Math.min(kind === 'requests' ? 1 : tokens, limit);
      if (level < need) wait = Math.max(wait, Math.ceil(((need - level) / limit) * MINUTE));
    }
    return wait;
  }

  private refill(bucket: Bucket): Bucket {
    const now = this.pace.now();
    const gained = (bucket.limit * Math.max(0, now - bucket.at)) / MINUTE;
    bucket.level = Math.min(bucket.limit, bucket.level + gained);
    bucket.at = now;
    return bucket;
  }
}

function numberIn(headers: Headers, ...names: string[]): number | undefined {
  for (const name of names) {
    const text = headers.get(name);
    const value = text === null || text.trim() === '' ? Number.NaN : Number(text);
    if (Number.isFinite(value)) return value;
  }
  return undefined;
}

/** `retry-after` (seconds or a date) or `retry-after-ms`, in milliseconds from now; undefined where it is not said. */
export function retryAfterMs(headers: Headers | undefined, now: number): number | undefined {
  const ms = headers && numberIn(headers, 'retry-after-ms');
  if (ms !== undefined) return Math.max(0, ms);
  const text = headers?.get('retry-after');
  if (!text) return undefined;
  const seconds = Number(text);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(text) - now;
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}

const shared = new Map<string, RateLimits>();

/** The limits of one model behind one address, shared by everything in this process that asks it. */
export function rateLimitsOf(address: string, model: string): RateLimits {
  const name = `${address} ${model}`;
  let limits = shared.get(name);
  if (!limits) shared.set(name, (limits = new RateLimits()));
  return limits;
}
