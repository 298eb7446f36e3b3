/** Calls to a provider's batch endpoint: within its limits, repeated where that is safe, their errors in our terms. */
import type { Recipe } from '../../../recipes/schema.js';
import { oracleError } from '../endpoint.js';
import { isOver, statusOf } from './http-status.js';
import { rateLimitsOf } from './rate-limits.js';
import { isTransient, send } from './send.js';

/** Clocks here and there may differ by so much. */
export const SKEW_MS = 5 * 60_000;
/** Batches of one page of a list. */
export const PAGE = 100;

type Call<T> = () => Promise<{ data: T; response: { headers: Headers } }>;

export class BatchCalls {
  constructor(
    private readonly oracle: Recipe['oracle'],
    private readonly baseUrl: string,
  ) {}

  /** @param again Which errors are followed by another try. */
  async make<T>(
    signal: AbortSignal,
    call: Call<T>,
    again: (error: unknown) => boolean = isTransient,
  ): Promise<T> {
    try {
      return await send(rateLimitsOf(this.baseUrl, 'batches'), 0, signal, call, { again });
    } catch (error) {
      throw this.translated(error, signal);
    }
  }

  /** The same; undefined where the provider has no such batch. */
  async find<T>(
    signal: AbortSignal,
    call: Call<T>,
    again?: (error: unknown) => boolean,
  ): Promise<T | undefined> {
    try {
      return await this.make(signal, call, again);
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw error;
    }
  }

  /** Cancel a batch; one that is over already is left as it is. */
  async cancel(signal: AbortSignal, call: Call<unknown>): Promise<void> {
    try {
      await this.make(signal, call);
    } catch (error) {
      if (!isOver(error)) throw error;
    }
  }

  translated(error: unknown, signal: AbortSignal): unknown {
    return signal.aborted ? error : oracleError(error, this.oracle, this.baseUrl);
  }
}
