/** Decrypts payloads for the Temporal UI and CLI (their "codec server" protocol). On loopback, for one origin. */
import type { Payload, PayloadCodec } from '@temporalio/common';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';

/** The UI sends one page of a history at most. */
const MOST_BYTES = 64 * 1024 ** 2;

const base64 = z.base64().optional();
const bodySchema = z.object({
  payloads: z.array(z.object({ metadata: z.record(z.string(), z.base64()).optional(), data: base64 })),
});

export interface CodecServerOptions {
  codec: PayloadCodec;
  /** Origins of the UIs that may ask, such as `http://127.0.0.1:8233`. */
  origins: readonly string[];
  port: number;
}

/** Listens on 127.0.0.1. @returns the server and its address. */
export async function startCodecServer(
  options: CodecServerOptions,
): Promise<{ url: string; server: Server }> {
  const server = createServer((request, response) => {
    void answer(request, response, options).catch((error: unknown) => {
      // The message names key ids at most.
      send(response, 400, { message: error instanceof Error ? error.message : 'bad request' });
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : options.port;
  return { url: `http://127.0.0.1:${port}`, server };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { codec, origins }: CodecServerOptions,
): Promise<void> {
  const { origin } = request.headers;
  if (origin !== undefined) {
    // A page of another origin must not read what only the operator may.
    if (!origins.includes(origin)) return send(response, 403, { message: `origin ${origin} is not allowed` });
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Allow-Headers', 'content-type,x-namespace,authorization');
    response.setHeader('Access-Control-Allow-Methods', 'POST');
    response.setHeader('Vary', 'Origin');
  }
  if (request.method === 'OPTIONS') return send(response, 204);
  const path = new URL(request.url ?? '/', 'http://localhost').pathname;
  const work = path.endsWith('/decode') ? 'decode' : path.endsWith('/encode') ? 'encode' : undefined;
  if (request.method !== 'POST' || !work) return send(response, 404, { message: 'POST /decode or /encode' });
  const { payloads } = bodySchema.parse(JSON.parse(await bodyOf(request)));
  const worked = await codec[work](payloads.map(fromJson));
  send(response, 200, { payloads: worked.map(toJson) });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new Error('the request is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function fromJson({ metadata, data }: z.infer<typeof bodySchema>['payloads'][number]): Payload {
  return {
    metadata: Object.fromEntries(
      Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value, 'base64')]),
    ),
    data: Buffer.from(data ?? '', 'base64'),
  };
}

function toJson({ metadata, data }: Payload) {
  return {
    metadata: Object.fromEntries(
      Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
    ),
    data: Buffer.from(data ?? []).toString('base64'),
  };
}

function send(response: ServerResponse, status: number, body?: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body ? JSON.stringify(body) : undefined);
}
