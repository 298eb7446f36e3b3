/** An HTTP server that speaks Ray's Jobs API as measured (Ray 2.60), with what a test wants it to say. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ScriptedJob {
  status: string;
  log: string;
  exitCode?: number;
  message?: string;
  submissions: number;
  request: Record<string, unknown>;
}

export class ScriptedHead {
  readonly jobs = new Map<string, ScriptedJob>();
  readonly packages = new Map<string, Buffer>();
  readonly calls: string[] = [];
  readonly stops: string[] = [];
  /** Wanted `authorization`; undefined: none. */
  token: string | undefined;
  nodes = [{ CPU: 2 } as Record<string, number>];
  /** Answers every call with this instead. */
  broken: { status: number; text: string } | undefined;
  /** Called before each answer about a job: the script moves on. */
  onLook: (job: ScriptedJob, id: string) => void = () => undefined;

  private constructor(private readonly server: Server) {}

  static async start(): Promise<ScriptedHead> {
    const server = createServer();
    const head = new ScriptedHead(server);
    server.on('request', (request, response) => {
      void head.answer(request).then(({ status, body }) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(typeof body === 'string' ? body : JSON.stringify(body));
      });
    });
    await head.listen(0);
    return head;
  }

  private listen(port: number): Promise<void> {
    return new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
  }

  get address(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** From now on connections are refused. */
  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  /** Answers again, at the same port. */
  reopen(port: number): Promise<void> {
    return this.listen(port);
  }

  private async answer(request: IncomingMessage): Promise<{ status: number; body: unknown }> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const call = `${request.method} ${request.url}`;
    this.calls.push(call);
    // As Ray does with what it takes for a browser.
    if (request.method !== 'GET' && 'sec-fetch-mode' in request.headers)
      return { status: 405, body: `'${request.method}' method not allowed for browser traffic.` };
    if (this.broken) return { status: this.broken.status, body: this.broken.text };
    if (this.token && request.headers.authorization !== `Bearer ${this.token}`)
      return { status: 401, body: 'Unauthorized' };
    const [, id = '', what] = /^\/api\/jobs\/([^/]+)(?:\/(\w+))?$/.exec(request.url ?? '') ?? [];
    const job = this.jobs.get(id);
    if (request.url?.startsWith('/api/packages/gcs/')) return this.package(request, body);
    if (call === 'POST /api/jobs/')
      return this.submit(JSON.parse(body.toString()) as Record<string, unknown>);
    if (request.url?.startsWith('/nodes')) return { status: 200, body: this.nodeSummary() };
    if (!job) return { status: 404, body: `Job ${id} does not exist` };
    if (what === 'stop') {
      this.stops.push(id);
      job.status = 'STOPPED';
      return { status: 200, body: { stopped: true } };
    }
    if (what === 'logs') return { status: 200, body: { logs: job.log } };
    this.onLook(job, id);
    const { status, message, exitCode } = job;
    const details = {
      submission_id: id,
      status,
      message: message ?? null,
      driver_exit_code: exitCode ?? null,
    };
    return { status: 200, body: { ...details, type: 'SUBMISSION', entrypoint: 'python -m rmr1_ray' } };
  }

  private package(request: IncomingMessage, body: Buffer): { status: number; body: unknown } {
    const name = request.url!.slice('/api/packages/gcs/'.length);
    if (request.method === 'PUT') this.packages.set(name, body);
    return this.packages.has(name) ? { status: 200, body: {} } : { status: 404, body: '' };
  }

  private submit(request: Record<string, unknown>): { status: number; body: unknown } {
    const id = request['submission_id'] as string;
    if (this.jobs.has(id)) {
      this.jobs.get(id)!.submissions += 1;
      return { status: 500, body: `Traceback …\nValueError: Job with submission_id ${id} already exists.` };
    }
    this.jobs.set(id, { status: 'PENDING', log: '', submissions: 1, request });
    return { status: 200, body: { job_id: id, submission_id: id } };
  }

  private nodeSummary(): unknown {
    const summary = this.nodes.map((resourcesTotal) => ({ raylet: { state: 'ALIVE', resourcesTotal } }));
    return { result: true, msg: '', data: { summary } };
  }
}

/** Lines of a job's log. */
export const line = (event: object): string => `RMR1_EVENT ${JSON.stringify(event)}\n`;

export const progress = (step: number, total = 10): string =>
  line({
    type: 'progress',
    total,
    metrics: { step, tokens: 10, seconds: 0.001, learningRate: 1e-3, gradNorm: 1, loss: 1 / step },
    tokensPerSecond: 5,
  });
