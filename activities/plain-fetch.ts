/**
 * `fetch` over `node:http` for the official SDKs' short JSON calls. The built-in one makes web streams of every body:
 * that alone takes more processor time than everything else a distillation does with an answer (docs/lab-log.md).
 */
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';

const OPTIONS = { keepAlive: true, maxFreeSockets: 1024 };
const http = new HttpAgent(OPTIONS);
const https = new HttpsAgent(OPTIONS);

/**
 * Send `init.body`, which must be a string, and read the whole answer; connections are kept. Redirects are not followed,
 * bodies are not decompressed: APIs do not redirect, and nothing here asks for compression.
 * @returns What the SDKs use of a response; there is no `body` to stream.
 * @throws the network's error, or an `AbortError` once `init.signal` is aborted, also while the body is being read.
 */
export function plainFetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  const { method = 'GET', headers, body, signal } = init;
  if (input instanceof Request || (body !== undefined && body !== null && typeof body !== 'string')) {
    throw new TypeError('plainFetch sends text to an address; use fetch for anything else.');
  }
  const url = new URL(input);
  const secure = url.protocol === 'https:';
  const sent: Record<string, string | number> = Object.fromEntries(new Headers(headers));
  if (body) sent['content-length'] = Buffer.byteLength(body);
  const options = { method, headers: sent, agent: secure ? https : http, ...(signal ? { signal } : {}) };
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(signal?.aborted ? (signal.reason as Error) : error);
    const request = (secure ? requestHttps : requestHttp)(url, options, (message) => {
      const chunks: Buffer[] = [];
      message.on('error', fail);
      message.on('data', (chunk: Buffer) => chunks.push(chunk));
      message.on('end', () => resolve(responseOf(url.href, message, Buffer.concat(chunks).toString('utf8'))));
    });
    request.on('error', fail).end(body ?? undefined);
  });
}

function responseOf(
  url: string,
  { statusCode = 0, statusMessage = '', rawHeaders }: IncomingMessage,
  text: string,
) {
  const headers = new Headers();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) headers.append(rawHeaders[at]!, rawHeaders[at + 1]!);
  const used: Pick<Response, 'url' | 'ok' | 'status' | 'statusText' | 'headers' | 'body' | 'text' | 'json'> =
    {
      url,
      ok: statusCode >= 200 && statusCode < 300,
      status: statusCode,
      statusText: statusMessage,
      headers,
      body: null,
      text: () => Promise.resolve(text),
      // Inside the promise, so that text which is no JSON rejects, as with the built-in one.
      json: () => Promise.resolve(text).then((whole) => JSON.parse(whole) as unknown),
    };
  return used as Response;
}
