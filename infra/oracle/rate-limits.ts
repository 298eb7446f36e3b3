/** Requests and tokens per minute, counted and announced as the two providers do. */
import { ApiError } from './api-error.js';
import type { Dialect } from './api-error.js';

export interface RateLimits {
  requestsPerMinute?: number;
  tokensPerMinute?: number;
}

interface Allowance {
  name: 'requests' | 'tokens';
  limit: number;
  level: number;
}

/** One token bucket per limit, refilled evenly over a minute. */
export class RateLimiter {
  readonly #allowances: Allowance[] = [];
  #refilledAt = 0;

  constructor({ requestsPerMinute, tokensPerMinute }: RateLimits) {
    const add = (name: Allowance['name'], limit: number | undefined) => {
      if (limit !== undefined) this.#allowances.push({ name, limit, level: limit });
    };
    add('requests', requestsPerMinute);
    add('tokens', tokensPerMinute);
  }

  /**
   * Count one request of `tokens` at `now` (ms).
   * @returns The headers that tell where the limits stand.
   * @throws ApiError 429 with retry-after where it is too much.
   */
  take(tokens: number, now: number, dialect: Dialect): Record<string, string> {
    const passed = this.#refilledAt === 0 ? 0 : Math.max(0, now - this.#refilledAt);
    this.#refilledAt = now;
    for (const allowance of this.#allowances)
      allowance.level = Math.min(allowance.limit, allowance.level + (allowance.limit * passed) / 60_000);
    const needs = ({ name }: Allowance): number => (name === 'requests' ? 1 : tokens);
    const short = this.#allowances.find((allowance) => needs(allowance) > allowance.level);
    if (short) {
      const seconds = ((needs(short) - short.level) / short.limit) * 60;
      throw new ApiError(429, 'rate_limit_exceeded', `Rate limit reached for ${short.name} per minute.`, {
        'retry-after': String(Math.max(0.001, Math.round(seconds * 1000) / 1000)),
        ...this.#headers(now, dialect),
      });
    }
    for (const allowance of this.#allowances) allowance.level -= needs(allowance);
    return this.#headers(now, dialect);
  }

  #headers(now: number, dialect: Dialect): Record<string, string> {
    return Object.fromEntries(
      this.#allowances.flatMap(({ name, limit, level }) => {
        const resetMs = ((limit - level) / limit) * 60_000;
        const remaining = String(Math.max(0, Math.floor(level)));
        return dialect === 'openai'
          ? [
              [`x-ratelimit-limit-${name}`, String(limit)],
              [`x-ratelimit-remaining-${name}`, remaining],
              [`x-ratelimit-reset-${name}`, `${String(Math.round(resetMs))}ms`],
            ]
          : [
              [`anthropic-ratelimit-${name}-limit`, String(limit)],
              [`anthropic-ratelimit-${name}-remaining`, remaining],
              [`anthropic-ratelimit-${name}-reset`, new Date(now + resetMs).toISOString()],
            ];
      }),
    );
  }
}
