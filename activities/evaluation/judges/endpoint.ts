/** Any OpenAI-compatible endpoint as judges need it: one request, one answer, every failure under its own name. */
import OpenAI from 'openai';
import type { Message } from '../../../judge/pair.js';
import { UserError } from '../../../workflows/errors.js';
import type { EndpointSettings } from '../../../workflows/judge-settings.js';
import { assertAllowedUrl, NO_REDIRECTS } from '../../allowed-url.js';
import { plainFetch } from '../../plain-fetch.js';
import { Throttled, type ChatAnswer, type ChatParameters } from './judge.js';

export interface EndpointAnswer extends ChatAnswer {
  /** One entry a token, with its likeliest alternatives; absent where the endpoint offers none. */
  logprobs?: { token: string; top: { token: string; logprob: number }[] }[];
}

/** Alternatives asked for at each token: the most that OpenAI and vLLM give by default. */
const TOP_LOGPROBS = 5;
const OVERLOADED = [429, 503, 529];
/** 404 names an unknown model or path: no item will fare better. */
const ABOUT_THE_ITEM = [400, 413, 422];

export class Endpoint {
  private readonly client: OpenAI;
  private logprobsOffered = true;

  /**
   * @param own for a server of ours, whose address is no input and whose key is its own
   * @throws UserError `JudgeCredentials` without a key that is needed, `InvalidInput` for an address that is not allowed.
   */
  constructor(
    readonly settings: EndpointSettings,
    own?: { apiKey: string },
  ) {
    const { baseUrl, timeoutSeconds } = settings;
    if (baseUrl && !own) assertAllowedUrl('judge.baseUrl', baseUrl);
    const address = baseUrl ?? process.env.OPENAI_BASE_URL;
    const key =
      own?.apiKey ??
      process.env.RMR1_JUDGE_API_KEY ??
      process.env.OPENAI_API_KEY ??
      // An endpoint on this machine is usually one without keys.
      (address && isLoopback(address) ? 'none' : undefined);
    if (!key) {
      throw new UserError(
        'JudgeCredentials',
        'No key for the judge: export RMR1_JUDGE_API_KEY (or OPENAI_API_KEY) where the worker runs; any value does for an endpoint without keys.',
      );
    }
    // Retries belong to whoever adapts the number of questions in flight.
    this.client = new OpenAI({
      apiKey: key,
      maxRetries: 0,
      fetch: plainFetch,
      timeout: timeoutSeconds * 1000,
      ...(baseUrl ? { baseURL: baseUrl, ...NO_REDIRECTS } : {}),
    });
  }

  get baseUrl(): string {
    return this.client.baseURL;
  }

  /** @throws Throttled; UserError `JudgeUnreachable`, `JudgeCredentials`, `JudgeRejected`. */
  async chat(
    messages: readonly Message[],
    parameters: ChatParameters & { logprobs?: boolean },
    signal: AbortSignal,
  ): Promise<EndpointAnswer> {
    const { temperature, maxTokens, seed } = parameters;
    const logprobs = parameters.logprobs === true && this.logprobsOffered;
    try {
      const completion = await this.client.chat.completions.create(
        {
          model: this.settings.model,
          messages: [...messages],
          temperature,
          top_p: 1,
          max_tokens: maxTokens,
          ...(seed === undefined ? {} : { seed }),
          ...(logprobs ? { logprobs: true, top_logprobs: TOP_LOGPROBS } : {}),
        },
        { signal },
      );
      return toAnswer(completion);
    } catch (error) {
      if (signal.aborted) throw error;
      if (logprobs && refusesLogprobs(error)) {
        this.logprobsOffered = false;
        return this.chat(messages, parameters, signal);
      }
      throw this.translated(error);
    }
  }

  /** POST JSON to a path beside the chat route, for endpoints that score instead of writing. */
  async post(path: string, body: Record<string, unknown>, signal: AbortSignal): Promise<unknown> {
    try {
      return await this.client.post(path, { body: { model: this.settings.model, ...body }, signal });
    } catch (error) {
      if (signal.aborted) throw error;
      throw this.translated(error);
    }
  }

  private translated(error: unknown): Error {
    const status = error instanceof OpenAI.APIError ? (error.status as number | undefined) : undefined;
    const cause = { cause: error };
    if (error instanceof UserError) return error;
    if (status !== undefined && OVERLOADED.includes(status))
      return new Throttled(retryAfterMs(error), status, cause);
    const said = (error instanceof Error ? error.message : String(error)).slice(0, 300);
    const where = `The judge '${this.settings.model}' at ${this.baseUrl}`;
    if (status === 401 || status === 403) {
      return new UserError(
        'JudgeCredentials',
        `${where} refused the key (HTTP ${status}): check RMR1_JUDGE_API_KEY or OPENAI_API_KEY where the worker runs.`,
        cause,
      );
    }
    if (status !== undefined && status >= 400 && status < 500 && ![408, 409].includes(status)) {
      const hint = ABOUT_THE_ITEM.includes(status) ? '' : ' Check the model and the address.';
      return new RejectedQuestion(
        `${where} rejected the request (HTTP ${status}): ${said}.${hint}`,
        ABOUT_THE_ITEM.includes(status),
        cause,
      );
    }
    return new UserError(
      'JudgeUnreachable',
      `${where} did not answer usably${status ? ` (HTTP ${status})` : ''}: ${said}. Check its address and state; judgements so far are kept.`,
      cause,
    );
  }
}

/** The endpoint refuses a request; `aboutItem`: perhaps this item alone (too long, filtered), else any of them. */
export class RejectedQuestion extends UserError {
  constructor(
    message: string,
    readonly aboutItem: boolean,
    options?: ErrorOptions,
  ) {
    super('JudgeRejected', message, options);
  }
}

function toAnswer(completion: OpenAI.ChatCompletion): EndpointAnswer {
  const choice = completion.choices?.[0];
  if (!choice?.message) throw new SyntaxError('the answer has no choices');
  const { usage, system_fingerprint: fingerprint } = completion;
  return {
    text: choice.message.content ?? '',
    finishReason: choice.finish_reason ?? 'stop',
    inputTokens: usage?.prompt_tokens ?? 0,
    outputTokens: usage?.completion_tokens ?? 0,
    ...(fingerprint ? { fingerprint } : {}),
    ...(choice.logprobs?.content
      ? {
          logprobs: choice.logprobs.content.map(({ token, top_logprobs: top }) => ({
            token,
            top: (top ?? []).map(({ token: other, logprob }) => ({ token: other, logprob })),
          })),
        }
      : {}),
  };
}

function refusesLogprobs(error: unknown): boolean {
  return error instanceof OpenAI.APIError && error.status === 400 && /logprob/i.test(error.message);
}

/** `retry-after` in seconds or as a date, `retry-after-ms` where given. */
function retryAfterMs(error: unknown): number | undefined {
  if (!(error instanceof OpenAI.APIError)) return undefined;
  const headers = error.headers as Headers | undefined;
  const ms = Number.parseFloat(headers?.get('retry-after-ms') ?? '');
  if (Number.isFinite(ms)) return Math.max(0, ms);
  const text = headers?.get('retry-after') ?? '';
  const seconds = Number.parseFloat(text);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(text);
  return Number.isFinite(date) ? Math.max(0, date - Date.now()) : undefined;
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
