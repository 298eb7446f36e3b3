/**
 * The oracle as a real HTTP server: OpenAI's chat completions, files and batches, Anthropic's messages and message
 * batches, and a few calls for tests. Everything is in memory.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { MODELS } from './answer.js';
import type { OracleSettings } from './answer.js';
import { ApiError } from './api-error.js';
import type { Dialect } from './api-error.js';
import { BatchDesk } from './batch-desk.js';
import type { BatchTiming } from './batch.js';
import { chatRequestSchema, completionEvents, completionObject, modelsBody, questionOf } from './chat-api.js';
import { Clock } from './clock.js';
import { complete } from './complete.js';
import type { Completion, Question } from './complete.js';
import { FaultPlan, faultSchema } from './faults.js';
import type { AnswerFault, Fault } from './faults.js';
import { fileObject, readUpload } from './files-api.js';
import { breakOff, firstIssue, readBody, readJson, send } from './http.js';
import { LabelError } from './labels.js';
import { MAX_MESSAGE_BATCH_BYTES } from './message-batches-api.js';
import { anthropicModelsBody, messageObject, messageQuestion, messageRequestSchema } from './messages-api.js';
import { RateLimiter } from './rate-limits.js';
import type { RateLimits } from './rate-limits.js';
import { Counters } from './stats.js';
import { MAX_FILE_BYTES } from './batches-api.js';

const MAX_BODY_BYTES = 16 * 1024 * 1024;
/** How long a closing service waits for answers under way. */
const CLOSE_GRACE_MS = 2000;

export interface OracleServerOptions extends OracleSettings, RateLimits {
  /** 0 picks a free port. */
  port: number;
  /** Required as a bearer token or `x-api-key` where it is set. */
  apiKey?: string;
  latencyMs?: number;
  faults?: Fault[];
  /** Default: one second, and a window of 24 h. */
  batch?: Partial<BatchTiming>;
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

/** A request on its way through the service. */
interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  /** `METHOD /path`. */
  route: string;
  dialect: Dialect;
  fault: Fault | undefined;
}

class Service {
  readonly #clock = new Clock();
  readonly #plan = new FaultPlan();
  readonly #counters = new Counters();
  readonly #limiter: RateLimiter;
  readonly #desk: BatchDesk;
  #answers = 0;

  constructor(readonly options: OracleServerOptions) {
    for (const fault of options.faults ?? []) this.#plan.add(fault);
    this.#limiter = new RateLimiter(options);
    this.#desk = new BatchDesk({
      clock: this.#clock,
      timing: { durationMs: 1000, windowMs: 24 * 3600_000, ...options.batch },
      plan: this.#plan,
      counters: this.#counters,
      models: MODELS,
      complete: (question) => this.#answer(question),
    });
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'oracle'}`);
    const route = `${request.method ?? ''} ${url.pathname}`;
    const anthropic =
      url.pathname.startsWith('/v1/messages') || request.headers['anthropic-version'] !== undefined;
    const dialect = anthropic ? 'anthropic' : 'openai';
    const exchange: Exchange = { request, response, url, route, dialect, fault: undefined };
    try {
      await this.#route(exchange);
    } catch (error) {
      this.#counters.rejected();
      const shown =
        error instanceof ApiError
          ? error
          : new ApiError(500, 'internal_error', error instanceof Error ? error.message : String(error));
      if (response.headersSent) response.destroy();
      else send(response, shown.status, shown.body(dialect), shown.headers);
    }
  }

  async #route(exchange: Exchange): Promise<void> {
    const { request, response, route, dialect, url } = exchange;
    if (route === 'GET /health') return send(response, 200, '{"status":"ok"}');
    this.#authorise(request);
    if (!url.pathname.startsWith('/v1/')) return this.#administer(route, request, response);
    if (this.#plan.isDown(this.#clock.now())) {
      this.#counters.fault('outage');
      throw new ApiError(503, 'unavailable', 'The oracle is away.');
    }
    if (dialect === 'anthropic' && request.headers['anthropic-version'] === undefined) {
      throw new ApiError(400, 'invalid_request', 'anthropic-version: header is required');
    }
    if (route === 'POST /v1/chat/completions') return this.#chat(exchange);
    if (route === 'POST /v1/messages') return this.#message(exchange);
    if (route === 'GET /v1/models')
      return send(response, 200, dialect === 'openai' ? modelsBody(MODELS) : anthropicModelsBody(MODELS));
    exchange.fault = this.#strike(route);
    if (exchange.fault && !(await this.#survives(exchange))) return;
    const body = await this.#work(exchange);
    whole(response, body, {}, exchange.fault);
  }

  #authorise({ headers }: IncomingMessage): void {
    const { apiKey } = this.options;
    if (apiKey === undefined) return;
    // Digests have equal lengths, so the comparison leaks neither content nor length.
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
    const given = headers['x-api-key'] ?? headers.authorization?.replace(/^Bearer /, '') ?? '';
    if (!timingSafeEqual(digest(String(given)), digest(apiKey))) {
      throw new ApiError(
        401,
        'invalid_api_key',
        'The API key is missing or wrong: send it as a bearer token or x-api-key.',
      );
    }
  }

  /** Files and batches: the body of the response. */
  async #work({ request, route, url }: Exchange): Promise<string> {
    const baseUrl = `${url.origin}/v1`;
    const [, , first = '', second = '', third = '', fourth = ''] = url.pathname.split('/');
    const after = url.searchParams.get('after') ?? url.searchParams.get('after_id');
    const limit = Number(url.searchParams.get('limit') ?? 20);
    const pattern = [request.method, first, ...(first === 'messages' ? [second] : [])].join(' ');
    const json = (value: object) => JSON.stringify(value);
    switch (pattern) {
      case 'POST files': {
        const body = await readBody(request, MAX_FILE_BYTES + MAX_BODY_BYTES);
        const upload = await readUpload(body, request.headers['content-type'] ?? '');
        const { files } = this.#desk;
        return json(fileObject(files.add(upload.filename, upload.purpose, upload.bytes, this.#seconds())));
      }
      case 'GET files':
        if (second === '') {
          const data = this.#desk.files.list(after, url.searchParams.get('purpose')).map(fileObject);
          return json({ object: 'list', data: data.slice(0, limit), has_more: data.length > limit });
        }
        if (third === 'content') return this.#desk.files.get(second).bytes.toString('utf8');
        return json(fileObject(this.#desk.files.get(second)));
      case 'DELETE files':
        this.#desk.files.delete(second);
        return json({ id: second, object: 'file', deleted: true });
      case 'POST batches':
        if (third === 'cancel') return json(this.#desk.cancel(second));
        return json(this.#desk.create(await readJson(request, MAX_BODY_BYTES)));
      case 'GET batches':
        return json(second === '' ? this.#desk.list(after, limit) : this.#desk.retrieve(second));
      case 'POST messages batches':
        if (fourth === 'cancel') return json(this.#desk.cancelMessages(third, baseUrl));
        return json(this.#desk.createMessages(await readJson(request, MAX_MESSAGE_BATCH_BYTES), baseUrl));
      case 'GET messages batches':
        if (third === '') return json(this.#desk.listMessages(after, limit, baseUrl));
        if (fourth === 'results') return this.#desk.messageResults(third);
        return json(this.#desk.retrieveMessages(third, baseUrl));
      default:
        throw new ApiError(404, 'not_found', `There is nothing at ${route}.`);
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
      case 'POST /clock': {
        const parsed = z.strictObject({ now: z.number() }).safeParse(await readJson(request, MAX_BODY_BYTES));
        if (!parsed.success) throw new ApiError(400, 'invalid_clock', firstIssue(parsed.error.issues));
        this.#clock.set(parsed.data.now);
        return send(response, 200, JSON.stringify({ now: this.#clock.now() }));
      }
      case 'GET /faults':
        return send(response, 200, JSON.stringify(this.#plan.list()));
      case 'POST /faults': {
        const parsed = faultSchema.safeParse(await readJson(request, MAX_BODY_BYTES));
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

  async #chat(exchange: Exchange): Promise<void> {
    this.#counters.request();
    const { response } = exchange;
    const parsed = chatRequestSchema.safeParse(await readJson(exchange.request, MAX_BODY_BYTES));
    if (!parsed.success) throw new ApiError(400, 'invalid_request', firstIssue(parsed.error.issues));
    const asked = await this.#ask(exchange, questionOf(parsed.data));
    if (!asked) return;
    const { completion, headers } = asked;
    const id = `chatcmpl-${String(this.#answers)}`;
    if (parsed.data.stream === true) {
      const usage = parsed.data.stream_options?.include_usage === true;
      stream(
        response,
        completionEvents(id, completion, this.#seconds(), usage),
        headers,
        exchange.fault?.kind,
      );
    } else {
      whole(
        response,
        JSON.stringify(completionObject(id, completion, this.#seconds())),
        headers,
        exchange.fault,
      );
    }
  }

  async #message(exchange: Exchange): Promise<void> {
    this.#counters.request();
    const parsed = messageRequestSchema.safeParse(await readJson(exchange.request, MAX_BODY_BYTES));
    if (!parsed.success) throw new ApiError(400, 'invalid_request', firstIssue(parsed.error.issues));
    const asked = await this.#ask(exchange, messageQuestion(parsed.data));
    if (!asked) return;
    const body = JSON.stringify(messageObject(`msg_${String(this.#answers)}`, asked.completion));
    whole(exchange.response, body, asked.headers, exchange.fault);
  }

  /** Answer one question asked by itself, within the limits; undefined where a fault has seen to the response. */
  async #ask(
    exchange: Exchange,
    question: Question,
  ): Promise<{ completion: Completion; headers: Record<string, string> } | undefined> {
    exchange.fault = this.#strike(exchange.route);
    if (exchange.fault?.kind !== 'hang' && this.options.latencyMs) await delay(this.options.latencyMs);
    if (exchange.fault && !(await this.#survives(exchange))) return undefined;
    const completion = this.#answer(question);
    const tokens = completion.promptTokens + completion.completionTokens;
    const headers = this.#limiter.take(tokens, this.#clock.now(), exchange.dialect);
    this.#answers += 1;
    const lost = exchange.fault !== undefined && exchange.fault.kind !== 'lost-reply';
    if (!lost) this.#counters.answered('chat', completion);
    return { completion, headers: { 'x-oracle-source': completion.source, ...headers } };
  }

  #answer(question: Question): Completion {
    const fault = this.#plan.strike('answer');
    if (fault) this.#counters.fault(fault.kind);
    return complete(this.options, question, fault?.kind as AnswerFault | undefined);
  }

  #strike(route: string): Fault | undefined {
    const fault = this.#plan.strike({ request: route });
    if (fault) this.#counters.fault(fault.kind);
    return fault;
  }

  /** Whether a request that a fault strikes is still carried out. */
  async #survives({ fault, response, dialect }: Exchange): Promise<boolean> {
    switch (fault?.kind) {
      case 'hang':
        return false;
      case 'rate-limit': {
        const headers = { 'retry-after': String(fault.retryAfterSeconds) };
        const error = new ApiError(429, 'rate_limit_exceeded', 'Too many requests.');
        send(response, 429, error.body(dialect), headers);
        return false;
      }
      case 'server-error': {
        const error =
          dialect === 'openai'
            ? new ApiError(500, 'internal_error', 'The oracle broke down.')
            : new ApiError(529, 'overloaded', 'Overloaded');
        send(response, error.status, error.body(dialect));
        return false;
      }
      default:
        return true;
    }
  }

  #seconds(): number {
    return Math.floor(this.#clock.now() / 1000);
  }
}

function whole(response: ServerResponse, body: string, headers: Record<string, string>, fault?: Fault): void {
  if (fault?.kind === 'lost-reply') return;
  if (fault?.kind === 'malformed') return send(response, 200, body.slice(0, body.length / 2), headers);
  if (fault?.kind !== 'cut') return send(response, 200, body, headers);
  const length = String(Buffer.byteLength(body));
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': length, ...headers });
  breakOff(response, body.slice(0, body.length / 2));
}

function stream(
  response: ServerResponse,
  events: string[],
  headers: Record<string, string>,
  fault: Fault['kind'] | undefined,
): void {
  if (fault === 'lost-reply') return;
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', ...headers });
  const half = Math.floor(events.length / 2);
  if (fault === 'cut') return breakOff(response, events.slice(0, half).join(''));
  if (fault === 'malformed') events[half] = 'data: {"choices": [{\n\n';
  for (const event of events) response.write(event);
  response.end();
}
