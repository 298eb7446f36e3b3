/** A TCP proxy between two parts of a machine under test, on which the network goes bad on demand. */
import { connect, createServer, type Server, type Socket } from 'node:net';

/**
 * `latency`: every chunk comes late. `reset`: what is open breaks with RST, new connections work. `cut`: what is open
 * ends, new connections are turned away. `half-open`: connections stay, but nothing comes through any more.
 */
export type Toxic = 'latency' | 'reset' | 'cut' | 'half-open';

const LATENCY_MS = 400;

interface Pair {
  client: Socket;
  upstream: Socket;
}

export class FaultProxy {
  private readonly pairs = new Set<Pair>();
  private toxic: Toxic | undefined;

  private constructor(
    private readonly server: Server,
    private readonly target: { host: string; port: number },
  ) {
    server.on('connection', (client: Socket) => this.accept(client));
  }

  /** Listen on a free port of loopback and pass everything on to `host:port`. */
  static async before(host: string, port: number): Promise<FaultProxy> {
    const server = createServer({ allowHalfOpen: false });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new FaultProxy(server, { host, port });
  }

  /** `host:port`. */
  get address(): string {
    const address = this.server.address();
    if (typeof address !== 'object' || address === null) throw new Error('The proxy is closed.');
    return `127.0.0.1:${address.port}`;
  }

  /** Make the network bad until {@link heal}. */
  poison(toxic: Toxic): void {
    // A reset is over as soon as it happened.
    this.toxic = toxic === 'reset' ? undefined : toxic;
    if (toxic === 'reset') for (const pair of this.pairs) breakPair(pair);
    if (toxic === 'cut') for (const pair of this.pairs) endPair(pair);
    if (toxic === 'half-open') for (const { client, upstream } of this.pairs) stall(client, upstream);
  }

  /** Make it good again. What hung half-open is gone for good: its peers have long given the connection up. */
  heal(): void {
    const stalled = this.toxic === 'half-open';
    this.toxic = undefined;
    if (stalled) for (const pair of this.pairs) breakPair(pair);
  }

  async close(): Promise<void> {
    for (const pair of this.pairs) endPair(pair);
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private accept(client: Socket): void {
    client.on('error', () => undefined);
    if (this.toxic === 'cut') {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect(this.target.port, this.target.host);
    const pair = { client, upstream };
    this.pairs.add(pair);
    upstream.on('error', () => client.destroy());
    for (const socket of [client, upstream]) {
      socket.on('close', () => {
        this.pairs.delete(pair);
        endPair(pair);
      });
    }
    this.pipe(client, upstream);
    this.pipe(upstream, client);
    if (this.toxic === 'half-open') stall(client, upstream);
  }

  private pipe(from: Socket, to: Socket): void {
    from.on('data', (chunk: Buffer) => {
      const pass = () => {
        if (to.destroyed || to.write(chunk)) return;
        from.pause();
        to.once('drain', () => from.resume());
      };
      // Timers of equal length fire in order, so chunks do not overtake each other while the latency lasts.
      if (this.toxic === 'latency') setTimeout(pass, LATENCY_MS);
      else pass();
    });
    from.on('end', () => to.end());
  }
}

function breakPair({ client, upstream }: Pair): void {
  client.resetAndDestroy();
  upstream.destroy();
}

function endPair({ client, upstream }: Pair): void {
  client.destroy();
  upstream.destroy();
}

function stall(...sockets: Socket[]): void {
  for (const socket of sockets) socket.pause();
}
