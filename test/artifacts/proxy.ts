import { connect, createServer, type Socket } from 'node:net';

export interface ProxyHooks {
  /** Awaited before a request is passed on; gets its first line, e.g. `PUT /bucket/key HTTP/1.1`. */
  onRequest?: (line: string) => Promise<void>;
  /** Whether to break the connection after so many bytes of answers on it. */
  cutAfter?: (bytes: number) => boolean;
}

export interface Proxy {
  endpoint: string;
  close: () => void;
}

/** A TCP proxy before an S3 endpoint on which tests act between two requests, or in the middle of an answer. */
export async function proxyTo(endpoint: string, hooks: ProxyHooks): Promise<Proxy> {
  const target = Number(new URL(endpoint).port);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
    let passing = Promise.resolve();
    client.on('data', (chunk: Buffer) => {
      const line = /^(GET|PUT|HEAD|POST|DELETE) [^\r]*/.exec(chunk.toString('latin1', 0, 2048))?.[0];
      passing = passing.then(async () => {
        if (line) await hooks.onRequest?.(line);
        upstream.write(chunk);
      });
    });
    let answered = 0;
    upstream.on('data', (chunk: Buffer) => {
      answered += chunk.length;
      if (hooks.cutAfter?.(answered)) client.destroy();
      else client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
