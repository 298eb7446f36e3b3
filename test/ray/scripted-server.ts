/** What a serving job does on a cluster, by a script: an OpenAI-compatible endpoint, its address on record, its end. */
import type { ArtifactStore } from '../../activities/artifacts/store.js';
import { serverRecords } from '../../activities/ray/serving-spec.js';
import { type Scripted, type ScriptedEndpoint, startScripted } from '../evaluation/scripted-endpoint.js';
import { until } from '../support/until.js';
import type { ScriptedHead } from './scripted-head.js';

export class ScriptedServer {
  private constructor(
    private readonly head: ScriptedHead,
    private readonly endpoint: ScriptedEndpoint,
    readonly attempt: number,
    private readonly serverKey: string,
    /** GET /health answers 200. */
    public well: boolean,
  ) {}

  /** Wait until attempt `attempt` was submitted; it runs and serves then. */
  static async of(
    store: ArtifactStore,
    head: ScriptedHead,
    serverKey: string,
    attempt: number,
    answer: (question: string, index: number) => Scripted | undefined = () => ({
      text: '<answer>[[A]]</answer>',
    }),
    well = true,
  ): Promise<ScriptedServer> {
    await submitted(head, serverKey, attempt);
    let questions = 0;
    const endpoint = await startScripted(({ path, body }) => {
      if (path === '/health') return { status: server.well ? 200 : 503, body: {} };
      return answer(JSON.stringify(body.messages), questions++);
    });
    const server: ScriptedServer = new ScriptedServer(head, endpoint, attempt, serverKey, well);
    server.job.status = 'RUNNING';
    await store.putJson(serverRecords(serverKey).address(attempt), {
      url: server.url,
      key: `key-${attempt}`,
    });
    return server;
  }

  get url(): string {
    return this.endpoint.baseUrl.replace(/\/v1$/, '');
  }

  get job() {
    return this.head.jobs.get(idOf(this.serverKey, this.attempt))!;
  }

  /** Questions that reached it. */
  get questions(): { messages: unknown; seed?: number | undefined }[] {
    return this.endpoint.requests
      .filter(({ path }) => path.endsWith('/chat/completions'))
      .map(({ body }) => ({ messages: body.messages, seed: body.seed }));
  }

  /** Its process and its job end at once. */
  async die(exitCode = 70, log = ''): Promise<void> {
    await this.endpoint.close();
    Object.assign(this.job, { status: 'FAILED', exitCode, log });
  }

  async close(): Promise<void> {
    await this.endpoint.close();
  }
}

export const idOf = (serverKey: string, attempt: number): string =>
  `rmr1-serve-${serverKey.slice(0, 20)}-${attempt}`;

/** Wait until an attempt was submitted to the head. */
export function submitted(head: ScriptedHead, serverKey: string, attempt: number) {
  const id = idOf(serverKey, attempt);
  return until(`the submission of ${id}`, () => head.jobs.get(id), 30, 5);
}
