/** An OpenAI-compatible endpoint that answers by a script: what no well-behaved service does on demand. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ScriptedRequest {
  path: string;
  body: { model: string; messages: { role: string; content: string }[]; seed?: number } & Record<
    string,
    unknown
  >;
}

export interface Scripted {
  status?: number;
  headers?: Record<string, string>;
  /** Text of the answer, or a whole body. */
  text?: string;
  body?: unknown;
  logprobs?: unknown;
  finishReason?: string;
  delayMs?: number;
  /** Left without an answer for as long as the endpoint lives. */
  never?: true;
}

export interface ScriptedEndpoint {
  baseUrl: string;
  requests: ScriptedRequest[];
  /** Most requests that were open at once. */
  peak: () => number;
  close: () => Promise<void>;
}

/** `answer` is called for each request with its number, from 0. Undefined drops the connection. */
export async function startScripted(
  answer: (request: ScriptedRequest, index: number) => Scripted | undefined,
): Promise<ScriptedEndpoint> {
  const requests: ScriptedRequest[] = [];
  let open = 0;
  let peak = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      open += 1;
      peak = Math.max(peak, open);
      response.once('close', () => (open -= 1));
      const seen = {
        path: request.url ?? '',
        body: JSON.parse(Buffer.concat(chunks).toString() || '{}') as ScriptedRequest['body'],
      };
      requests.push(seen);
      const said = answer(seen, requests.length - 1);
      if (!said) return void response.destroy();
      if (said.never) return;
      setTimeout(() => reply(response, said), said.delayMs ?? 0);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    peak: () => peak,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function reply(response: ServerResponse, { status = 200, headers = {}, ...said }: Scripted): void {
  const body = said.body ?? {
    id: 'x',
    object: 'chat.completion',
    created: 0,
    model: 'm',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: said.text ?? '' },
        logprobs: said.logprobs ?? null,
        finish_reason: said.finishReason ?? 'stop',
      },
    ],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
  };
  const text =
    status >= 400 && said.body === undefined
      ? JSON.stringify({ error: { message: said.text ?? 'no' } })
      : JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(text);
}
