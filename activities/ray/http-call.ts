/**
 * One HTTP call, answer read whole. Not by the built-in `fetch`: it sends `Sec-Fetch-Mode`, and Ray's dashboard refuses
 * whatever looks like a browser's (405, "not allowed for browser traffic").
 */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';

export interface HttpCall {
  method: string;
  headers: Record<string, string>;
  body?: string | Uint8Array | undefined;
  timeoutMs: number;
}

/**
 * Redirections are not followed, so that a token goes nowhere else; certificates are those that Node trusts.
 * @throws the network's error, or one of name `TimeoutError`.
 */
export function httpCall(
  address: string,
  { method, headers, body, timeoutMs }: HttpCall,
): Promise<{ status: number; text: string }> {
  const url = new URL(address);
  const send = url.protocol === 'https:' ? requestHttps : requestHttp;
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const options = { method, headers: { ...headers, ...length }, signal };
    const request = send(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
      );
    });
    request.on('error', (error) => reject(signal.aborted ? (signal.reason as Error) : error));
    request.end(body);
  });
}
