/** Ask a judge that `rmr1 serve` serves, from a program. */
import type { AnswerResult, GroupResult, JudgeRequest, PairResult } from '../serving/schemas.js';
import { ClientError } from './errors.js';

/**
 * What the answers reply to: a prompt, or a whole conversation that ends with the user.
 * @interface
 */
export type About = Pick<JudgeRequest, 'prompt' | 'conversation'>;

/** Which server, and how long it may take. */
export interface JudgeClientOptions {
  /** `http://host:port` of the server. */
  url: string;
  /** Default: `RMR1_SERVE_TOKEN`. */
  token?: string;
  /** For one request with its repetitions. Default 300. */
  timeoutSeconds?: number;
}

/** What a server of judges can be asked. Errors: see {@link judgeClient}. */
export interface JudgeClient {
  /** Which of two answers is better. */
  pair(request: About & { a: string; b: string; orders?: 'one' | 'both' }): Promise<PairResult>;
  /** A score for one answer; a judge of pairs holds it against `anchors`. */
  answer(request: About & { answer: string; anchors?: string[] }): Promise<AnswerResult>;
  /** Scores and a ranking for several answers. */
  group(
    request: About & { answers: string[]; method?: GroupResult['method']; orders?: 'one' | 'both' },
  ): Promise<GroupResult>;
}

const LONGEST_PAUSE_MS = 10_000;

/**
 * A client that waits where the server is full. Its methods throw ClientError: `InvalidInput` for a request the server
 * refuses, `ServiceFailed` where it cannot be reached or fails.
 */
export function judgeClient({ url, token, timeoutSeconds = 300 }: JudgeClientOptions): JudgeClient {
  const address = new URL('judge', url.endsWith('/') ? url : `${url}/`);
  const bearer = token ?? process.env['RMR1_SERVE_TOKEN'];
  const ask = async (request: object): Promise<never> => {
    const signal = AbortSignal.timeout(timeoutSeconds * 1000);
    for (;;) {
      const response = await send(address, request, bearer, signal);
      const body: unknown = await response.json().catch(() => undefined);
      if (response.ok) return body as never;
      const pause = Number(response.headers.get('retry-after')) * 1000;
      if ((response.status === 429 || response.status === 503) && pause > 0) {
        await sleep(Math.min(pause, LONGEST_PAUSE_MS), signal, address);
        continue;
      }
      const { error } = (body ?? {}) as { error?: { message?: string } };
      throw new ClientError(
        response.status < 500 ? 'InvalidInput' : 'ServiceFailed',
        `The judge at ${address.host} answered ${response.status}: ${error?.message ?? 'no reason given'}`,
      );
    }
  };
  return { pair: ask, answer: ask, group: ask };
}

async function send(
  address: URL,
  request: object,
  token: string | undefined,
  signal: AbortSignal,
): Promise<Response> {
  try {
    return await fetch(address, {
      method: 'POST',
      body: JSON.stringify(request),
      headers: { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) },
      signal,
    });
  } catch (error) {
    throw unreachable(address, error);
  }
}

function sleep(ms: number, signal: AbortSignal, address: URL): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(unreachable(address, signal.reason));
    });
  });
}

function unreachable(address: URL, cause: unknown): ClientError {
  const said = cause instanceof Error ? cause.message : String(cause);
  return new ClientError('ServiceFailed', `The judge at ${address.host} did not answer: ${said}`, { cause });
}
