/** The oracle as a real HTTP server that speaks OpenAI's chat completions API. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { MODELS, answer } from './answer.js';
import type { OracleSettings } from './answer.js';
import {
  ApiError,
  chatRequestSchema,
  completionBody,
  completionEvents,
  countTokens,
  cutTokens,
  messagesOf,
  modelsBody,
} from './chat-api.js';
import type { ChatRequest, Completion } from './chat-api.js';
import { FaultPlan, faultSchema } from './faults.js';
import type { Fault } from './faults.js';
import { LabelError } from './labels.js';
import { Counters } from './stats.js';

const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** How long a closing service waits for answers under way. */
const CLOSE_GRACE_MS = 2000;

export interface OracleServerOptions extends OracleSettings {
  /** 0 picks a free port. */
  port: number;
  /** Required as a bearer token where it is set. */
  apiKey?: string;
  latencyMs?: number;
  faults?: Fault[];
}

export interface OracleServer {
  /** `http://127.0.0.1:PORT/v1`, as clients want it. */
  baseUrl: string;
  /** Stop taking requests, finish those under way, end the rest. */
  close: () => Promise<void>;
}

/** Start the service on the loopback interface. */
export async function startOracleServer(options: OracleServerOptions): Promise<OracleServer> {
  const service = new Service(options);
  const server = createServer((request, response) => void service.handle(request, response));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return { baseUrl: `http://127.0.0.1:${String(port)}/v1`, close: () => close(server) };
}

async function close(server: Server): Promise<void> {
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
  clearTimeout(timer);
}

class Service {
  readonly #plan = new FaultPlan();
  readonly #counters = new Counters();
  #answers = 0;

  constructor(readonly options: OracleServerOptions) {
    for (const fault of options.faults ?? []) this.#plan.add(fault);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#route(request, response);
    } catch (error) {
      this.#counters.rejected();
      const shown =
        error instanceof ApiError
          ? error
          : new ApiError(500, 'internal_error', error instanceof Error ? error.message : String(error));
      if (response.headersSent) response.destroy();
      else send(response, shown.status, shown.body, shown.headers);
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(request.url ?? '/', 'http://oracle').pathname;
    const route = `${request.method ?? ''} ${path}`;
    if (route === 'GET /health') return send(response, 200, '{"status":"ok"}');
    this.#authorise(request);
    if (route === 'POST /v1/chat/completions') return this.#chat(request, response);
    if (route === 'GET /v1/models') return send(response, 200, modelsBody(MODELS));
    return this.#administer(route, request, response);
  }

  #authorise({ headers }: IncomingMessage): void {
    const { apiKey } = this.options;
    if (apiKey === undefined) return;
    // Digests have equal lengths, so the comparison leaks neither content nor length.
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
    if (!timingSafeEqual(digest(headers.authorization ?? ''), digest(`Bearer ${apiKey}`))) {
      throw new ApiError(
        401,
        'invalid_api_key',
        'The API key is missing or wrong: send it as a bearer token.',
      );
    }
  }

  async #administer(route: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!/^(?:::ffff:)?127\.|^::1$/.test(request.socket.remoteAddress ?? '')) {
      throw new ApiError(403, 'forbidden', 'This address is for the machine itself only.');
    }
    const { labels } = this.options;
    switch (route) {
      case 'GET /stats':
        return send(response, 200, JSON.stringify(this.#counters.snapshot(labels.size)));
      case 'GET /faults':
        return send(response, 200, JSON.stringify(this.#plan.list()));
      case 'POST /faults': {
        const parsed = faultSchema.safeParse(await readJson(request));
        if (!parsed.success) throw new ApiError(400, 'invalid_fault', firstIssue(parsed.error.issues));
        this.#plan.add(parsed.data);
        return send(response, 200, JSON.stringify(this.#plan.list()));
      }
      case 'DELETE /faults':
        this.#plan.clear();
        return send(response, 200, '[]');
      case 'POST /labels':
        try {
          const added = await labels.read(request);
          return send(response, 200, JSON.stringify({ added, labels: labels.size }));
        } catch (error) {
          if (error instanceof LabelError) throw new ApiError(400, 'invalid_labels', error.message);
          throw error;
        }
      default:
        throw new ApiError(404, 'not_found', `There is nothing at ${route}.`);
    }
  }

  async #chat(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#counters.request();
    const parsed = chatRequestSchema.safeParse(await readJson(request));
    if (!parsed.success) throw new ApiError(400, 'invalid_request', firstIssue(parsed.error.issues));
    const fault = this.#plan.strike();
    if (fault !== undefined) this.#counters.fault(fault.kind);
    if (fault?.kind === 'hang') return;
    if (this.options.latencyMs) await delay(this.options.latencyMs);
    if (fault?.kind === 'rate-limit') {
      const headers = { 'retry-after': String(fault.retryAfterSeconds) };
      return send(
        response,
        429,
        new ApiError(429, 'rate_limit_exceeded', 'Too many requests.').body,
        headers,
      );
    }
    if (fault?.kind === 'server-error') {
      return send(response, 500, new ApiError(500, 'internal_error', 'The oracle broke down.').body);
    }
    const { completion, key } = this.#complete(parsed.data);
    const headers = { 'x-oracle-source': completion.source };
    if (fault === undefined)
      this.#counters.answered(key, completion.model, completion.source, completion.usage);
    if (parsed.data.stream === true) stream(response, completion, parsed.data, headers, fault);
    else whole(response, completionBody(completion), headers, fault);
  }

  #complete(request: ChatRequest): { completion: Completion; key: string } {
    const messages = messagesOf(request);
    const { text, source, key } = answer(this.options, request.model, messages, request.seed ?? 0);
    const limit = request.max_completion_tokens ?? request.max_tokens ?? Infinity;
    const cut = countTokens(text) > limit;
    const shown = cut ? cutTokens(text, limit) : text;
    const prompt = messages.reduce((sum, { content }) => sum + countTokens(content), 0);
    const written = countTokens(shown);
    this.#answers += 1;
    return {
      key,
      completion: {
        id: `chatcmpl-${String(this.#answers)}`,
        model: request.model,
        source,
        text: shown,
        finishReason: cut ? 'length' : 'stop',
        usage: { prompt_tokens: prompt, completion_tokens: written, total_tokens: prompt + written },
      },
    };
  }
}

function whole(response: ServerResponse, body: string, headers: Record<string, string>, fault?: Fault): void {
  if (fault?.kind === 'malformed') return send(response, 200, body.slice(0, body.length / 2), headers);
  if (fault?.kind !== 'cut') return send(response, 200, body, headers);
  const length = String(Buffer.byteLength(body));
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': length, ...headers });
  breakOff(response, body.slice(0, body.length / 2));
}

function stream(
  response: ServerResponse,
  completion: Completion,
  request: ChatRequest,
  headers: Record<string, string>,
  fault?: Fault,
): void {
  const events = completionEvents(completion, request.stream_options?.include_usage === true);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', ...headers });
  const half = Math.floor(events.length / 2);
  if (fault?.kind === 'cut') return breakOff(response, events.slice(0, half).join(''));
  if (fault?.kind === 'malformed') events[half] = 'data: {"choices": [{\n\n';
  for (const event of events) response.write(event);
  response.end();
}

/** Send the beginning, then drop the connection. */
function breakOff(response: ServerResponse, beginning: string): void {
  response.write(beginning, () => response.destroy());
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES)
      throw new ApiError(413, 'too_large', `The request is over ${String(MAX_BODY_BYTES)} bytes.`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new ApiError(400, 'invalid_json', 'The body is not JSON.');
  }
}

function firstIssue(issues: readonly { path: PropertyKey[]; message: string }[]): string {
  const [issue] = issues;
  return issue === undefined ? 'The request is malformed.' : `${issue.path.join('.')}: ${issue.message}`;
}
