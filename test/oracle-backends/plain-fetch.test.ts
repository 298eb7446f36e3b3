/** The transport of chat calls: what the SDKs rely on, against a real server. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { plainFetch } from '../../activities/plain-fetch.js';

let server: Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/echo`;
}

it('sends method, headers and text, and brings back status, headers and text, over one kept connection', async () => {
  const ports = new Set<number | undefined>();
  const address = await serve((request, response) => {
    ports.add(request.socket.remotePort);
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      const { method, headers } = request;
      response.writeHead(429, [
        ['retry-after', '7'],
        ['x-request-id', 'r1'],
      ]);
      response.end(
        JSON.stringify({ method, key: headers['x-key'], length: headers['content-length'], body }),
      );
    });
  });
  for (let turn = 0; turn < 3; turn++) {
    const init = { method: 'POST', headers: new Headers({ 'X-Key': 'k' }), body: 'größer' };
    const answer = await plainFetch(address, init);
    expect([answer.ok, answer.status, answer.headers.get('Retry-After')]).toEqual([false, 429, '7']);
    expect(await answer.json()).toEqual({ method: 'POST', key: 'k', length: '8', body: 'größer' });
  }
  expect(ports.size).toBe(1);
});

it('rejects what is cut off, and text that is no JSON only when it is read as such', async () => {
  const address = await serve((request, response) => {
    if (request.method === 'GET') return response.end('not json');
    response.writeHead(200, { 'content-length': '100' });
    return response.write('{"half":', () => response.destroy());
  });
  const answer = await plainFetch(address);
  await expect(answer.json()).rejects.toBeInstanceOf(SyntaxError);
  expect(await answer.text()).toBe('not json');
  await expect(plainFetch(address, { method: 'POST', body: '{}' })).rejects.toThrow(/aborted|socket hang up/);
});

it.each(['before the answer', 'in the middle of it'])(
  'ends with an AbortError when aborted %s',
  async (when) => {
    const stop = new AbortController();
    const address = await serve((_request, response) => {
      if (when === 'before the answer') return stop.abort();
      response.writeHead(200, { 'content-length': '100' });
      return response.write('{', () => stop.abort());
    });
    await expect(plainFetch(address, { signal: stop.signal })).rejects.toMatchObject({ name: 'AbortError' });
  },
);
