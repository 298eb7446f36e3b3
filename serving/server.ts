/** A judge as an HTTP service: `/judge`, an OpenAI-compatible chat route, health, metrics. */
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { z } from 'zod';
import type { Judge } from '../activities/evaluation/judges/judge.js';
import { Admission } from './admission.js';
import { completionBody, completionEvents, modelsBody } from './chat-format.js';
import { HttpError, toHttpError } from './errors.js';
import { answerRequest, unitsOf } from './judge-service.js';
import { ServingMetrics } from './metrics.js';
import { chatRequestSchema, judgeRequestSchema } from './schemas.js';

export interface ServeOptions {
  host: string;
  /** 0 picks a free port. */
  port: number;
  /** What the chat route calls the model. */
  model: string;
  /** Required as a bearer token where it is set. */
  token?: string;
  maxBodyBytes: number;
  /** From a request to its answer. */
  timeoutSeconds: number;
  /** Judgements that may wait or be under way. */
  maxPending: number;
}

export interface JudgeServer {
  url: string;
  metrics: ServingMetrics;
  /** Take no more, finish what was taken, end. */
  close(): Promise<void>;
}

const JSON_TYPE = { 'content-type': 'application/json' };
/** Completion tokens of a chat request that names no limit. */
const CHAT_TOKENS = 1024;

/** Start serving `judge`; it is not closed with the server. */
export async function startJudgeServer(judge: Judge, options: ServeOptions): Promise<JudgeServer> {
  const service = new Service(judge, options);
  const server = createServer((request, response) => void service.handle(request, response));
  // A client that sends its request slowly must not hold a connection for ever.
  server.requestTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    metrics: service.metrics,
    close: async () => {
      await service.admission.drain();
      await closed(server);
    },
  };
}

/** Idle connections are closed at once, answers on their way are finished. */
async function closed(server: Server): Promise<void> {
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}

class Service {
  readonly metrics = new ServingMetrics();
  readonly admission: Admission;

  constructor(
    private readonly judge: Judge,
    private readonly options: ServeOptions,
  ) {
    this.admission = new Admission(options.maxPending);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const began = performance.now();
    const path = new URL(request.url ?? '/', 'http://judge').pathname;
    const route = `${request.method ?? ''} ${path}`;
    try {
      await this.route(route, request, response);
    } catch (error) {
      const shown = toHttpError(error, this.options.timeoutSeconds);
      if (shown.status === 429) this.metrics.throttled.add();
      // What is left of the body is not read, so the connection cannot serve another request.
      const close = request.complete ? {} : { connection: 'close' };
      if (!response.headersSent && !response.destroyed)
        response.writeHead(shown.status, { ...JSON_TYPE, ...shown.headers, ...close }).end(shown.body);
    }
    const known = KNOWN_ROUTES.has(route) ? path : 'other';
    this.metrics.requests.add({ route: known, status: String(response.statusCode) });
    this.metrics.latency.observe((performance.now() - began) / 1000, { route: known });
  }

  private async route(route: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (route === 'GET /healthz') return this.health(response);
    this.authorise(request);
    switch (route) {
      case 'POST /judge':
        return this.judgeRoute(request, response);
      case 'POST /v1/chat/completions':
        return this.chatRoute(request, response);
      case 'GET /v1/models':
        return void response.writeHead(200, JSON_TYPE).end(modelsBody(this.options.model));
      case 'GET /metrics':
        return void response
          .writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' })
          .end(this.metrics.render(this.gauges()));
      default:
        throw new HttpError(404, 'NotFound', `There is nothing at ${route}.`);
    }
  }

  private gauges() {
    return {
      rmr1_pending_judgements: { help: 'Judgements under way or waiting.', value: this.admission.load },
    };
  }

  private health(response: ServerResponse): void {
    const stopping = this.admission.stopping;
    response
      .writeHead(stopping ? 503 : 200, JSON_TYPE)
      .end(JSON.stringify({ status: stopping ? 'stopping' : 'ok', judge: this.judge.identity }));
  }

  private authorise({ headers }: IncomingMessage): void {
    const { token } = this.options;
    if (token === undefined) return;
    // Digests have equal lengths, so the comparison leaks neither content nor length.
    const digest = (text: string) => createHash('sha256').update(text).digest();
    if (!timingSafeEqual(digest(headers.authorization ?? ''), digest(`Bearer ${token}`)))
      throw new HttpError(401, 'Unauthorised', 'The token is missing or wrong: send it as a bearer token.');
  }

  private async judgeRoute(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = checked(judgeRequestSchema, await this.readJson(request));
    const result = await this.admission.admit(unitsOf(body, this.judge), () =>
      this.limited(response, (signal) =>
        answerRequest(this.judge, body, signal, ({ verdict }) => this.metrics.judgements.add({ verdict })),
      ),
    );
    this.metrics.tokens.add({ direction: 'read' }, result.usage.inputTokens);
    this.metrics.tokens.add({ direction: 'written' }, result.usage.outputTokens);
    response.writeHead(200, JSON_TYPE).end(JSON.stringify(result));
  }

  private async chatRoute(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { chat } = this.judge;
    if (!chat) throw new HttpError(404, 'NotFound', 'This judge is no language model: it has no chat route.');
    const body = checked(chatRequestSchema, await this.readJson(request));
    const messages = body.messages.map(({ role, content }) => ({
      role: role === 'developer' ? ('system' as const) : role,
      content,
    }));
    const parameters = {
      temperature: body.temperature ?? 0,
      maxTokens: body.max_completion_tokens ?? body.max_tokens ?? CHAT_TOKENS,
      ...(body.seed == null ? {} : { seed: body.seed }),
    };
    const answer = await this.admission.admit(1, () =>
      this.limited(response, (signal) => chat(messages, parameters, signal)),
    );
    this.metrics.tokens.add({ direction: 'read' }, answer.inputTokens);
    this.metrics.tokens.add({ direction: 'written' }, answer.outputTokens);
    const id = `chatcmpl-${randomUUID()}`;
    if (body.stream === true) {
      response
        .writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
        .end(completionEvents(id, this.options.model, answer));
    } else response.writeHead(200, JSON_TYPE).end(completionBody(id, this.options.model, answer));
  }

  /** Run `work` until the request's time is over or its client is gone. */
  private async limited<T>(response: ServerResponse, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const gone = new AbortController();
    response.once('close', () => {
      if (!response.writableFinished)
        gone.abort(new HttpError(499, 'ClientGone', 'The client closed the connection.'));
    });
    const signal = AbortSignal.any([gone.signal, AbortSignal.timeout(this.options.timeoutSeconds * 1000)]);
    // Every question of a group listens.
    setMaxListeners(0, signal);
    try {
      return await work(signal);
    } catch (error) {
      // However the judge words its abortion: the reason is what the client should read.
      throw signal.aborted ? signal.reason : error;
    }
  }

  private async readJson(request: IncomingMessage): Promise<unknown> {
    const { maxBodyBytes } = this.options;
    const tooLarge = () => new HttpError(413, 'TooLarge', `The body is over ${maxBodyBytes} bytes.`);
    if (Number(request.headers['content-length'] ?? 0) > maxBodyBytes) throw tooLarge();
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBodyBytes) throw tooLarge();
      chunks.push(chunk);
    }
    try {
      return JSON.parse(Buffer.concat(chunks).toString('utf8'));
    } catch {
      throw new HttpError(400, 'InvalidRequest', 'The body is not JSON.');
    }
  }
}

const KNOWN_ROUTES = new Set([
  'POST /judge',
  'POST /v1/chat/completions',
  'GET /v1/models',
  'GET /metrics',
  'GET /healthz',
]);

function checked<Schema extends z.ZodType>(schema: Schema, body: unknown): z.output<Schema> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
  throw new HttpError(400, 'InvalidRequest', problems.join('; '));
}
