/** A collector of traces as OpenTelemetry's protocol has it: spans as JSON by `POST /v1/traces`. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedSpan {
  service: string;
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  seconds: number;
  attributes: Record<string, unknown>;
}

interface Attribute {
  key: string;
  value: Record<string, unknown>;
}
interface OtlpSpan extends Omit<ReceivedSpan, 'service' | 'seconds' | 'attributes'> {
  parentSpanId: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes: Attribute[];
}
interface OtlpRequest {
  resourceSpans: { resource: { attributes: Attribute[] }; scopeSpans: { spans: OtlpSpan[] }[] }[];
}

export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  /** All that came in, as it came. */
  bodies = '';
  /** Headers of the last request. */
  headers: Record<string, unknown> = {};

  private constructor(private readonly server: Server) {}

  static async start(): Promise<OtlpReceiver> {
    const server = createServer();
    const receiver = new OtlpReceiver(server);
    server.on('request', (request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const good = request.method === 'POST' && request.url === '/v1/traces';
        if (good) receiver.take(Buffer.concat(parts).toString());
        receiver.headers = request.headers;
        response.writeHead(good ? 200 : 404, { 'content-type': 'application/json' }).end('{}');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  named(name: string): ReceivedSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  /** Names of the spans above `span`, nearest first. */
  above(span: ReceivedSpan): string[] {
    const parent = this.spans.find(({ spanId }) => spanId === span.parentSpanId);
    return parent ? [parent.name, ...this.above(parent)] : [];
  }

  /** Nobody listens at its address while `use` runs. */
  async away<T>(use: () => Promise<T>): Promise<T> {
    const { port } = this.server.address() as AddressInfo;
    await this.stop();
    try {
      return await use();
    } finally {
      await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    }
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private take(body: string): void {
    this.bodies += body;
    for (const { resource, scopeSpans } of (JSON.parse(body) as OtlpRequest).resourceSpans) {
      const service = String(plain(resource.attributes)['service.name']);
      for (const { spans } of scopeSpans)
        for (const { startTimeUnixNano: start, endTimeUnixNano: end, attributes, ...span } of spans) {
          const seconds = Number(BigInt(end) - BigInt(start)) / 1e9;
          this.spans.push({ ...span, service, seconds, attributes: plain(attributes) });
        }
    }
  }
}

function plain(attributes: Attribute[]): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
