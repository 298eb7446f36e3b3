/** Sending one call within the limits, again and again while that can help. */
import { realPace, retryAfterMs, type Pace, type RateLimits } from './rate-limits.js';

/** How often a call is tried before its activity fails and Temporal's own, longer patience begins. */
const ATTEMPTS = 7;
/** A body that is not an answer (cut stream, wrong JSON) may have been billed: it is asked again less often. */
const MALFORMED_ATTEMPTS = 3;
const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 60_000;

/** What both SDKs' errors have in common. */
interface HttpFailure {
  status?: number | undefined;
  headers?: Headers | undefined;
  code?: string | null | undefined;
}

export interface SendOptions {
  /** Which errors are worth another try; default: all that may pass. */
  again?: (error: unknown) => boolean;
  pace?: Pace;
}

/**
 * `call` within `limits`; tried again on time-outs, broken connections, 408, 409, 429, 5xx and bodies that are no JSON,
 * after the provider's retry-after or a jittered, exponential wait. A 429 holds back everything that shares the limits.
 * @param tokens Estimate of what the call takes from the tokens per minute.
 */
export async function send<T>(
  limits: RateLimits,
  tokens: number,
  signal: AbortSignal,
  call: () => Promise<{ data: T; response: { headers: Headers } }>,
  { again = isTransient, pace = realPace }: SendOptions = {},
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const ticket = await limits.acquire(tokens, signal);
    try {
      const { data, response } = await call();
      limits.learn(ticket, response.headers);
      return data;
    } catch (error) {
      signal.throwIfAborted();
      limits.learn(ticket, (error as HttpFailure).headers);
      const attempts = error instanceof SyntaxError ? MALFORMED_ATTEMPTS : ATTEMPTS;
      if (attempt >= attempts || !again(error)) throw error;
      await pace.sleep(waitAfter(error, attempt, limits, pace), signal);
    }
  }
}

/** Milliseconds until the next try. */
function waitAfter(error: unknown, attempt: number, limits: RateLimits, pace: Pace): number {
  const { status, headers } = error as HttpFailure;
  const backoff = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (attempt - 1));
  const told = retryAfterMs(headers, pace.now());
  // Jitter only lengthens what the provider asked for: sooner would be refused again.
  if (told === undefined) return backoff * (0.5 + 0.5 * pace.random());
  if (status === 429) limits.block(told);
  return told + pace.random() * Math.min(backoff, 0.25 * told + 50);
}

/** Whether the same call may succeed a little later. */
export function isTransient(error: unknown): boolean {
  const { status, code } = error as HttpFailure;
  if (code === 'insufficient_quota') return false;
  if (status !== undefined) return [408, 409, 429].includes(status) || status >= 500;
  return error instanceof SyntaxError || error instanceof Error;
}

/** Whether the call was certainly not carried out, and may be later. */
export function isRefusedForNow(error: unknown): boolean {
  return (error as HttpFailure).status === 429 && isTransient(error);
}
