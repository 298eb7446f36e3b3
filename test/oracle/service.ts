import OpenAI from 'openai';
import { LabelBook } from '../../infra/oracle/labels.js';
import { startOracleServer } from '../../infra/oracle/server.js';
import type { OracleServer, OracleServerOptions } from '../../infra/oracle/server.js';
import type { OracleStats } from '../../infra/oracle/stats.js';

/** A running service, a client of the real package without its own retries, and the admin calls. */
export interface TestService extends OracleServer {
  client: OpenAI;
  stats: () => Promise<OracleStats>;
  post: (path: string, body: string) => Promise<Response>;
  /** Move the service's clock to `now`, ms since the epoch. */
  clock: (now: number) => Promise<void>;
}

export async function startService(options: Partial<OracleServerOptions> = {}): Promise<TestService> {
  const server = await startOracleServer({
    port: 0,
    seed: 1,
    errorRate: 0.25,
    labels: new LabelBook(),
    ...options,
  });
  const root = server.baseUrl.replace('/v1', '');
  const headers = { 'x-api-key': options.apiKey ?? 'local' };
  return {
    ...server,
    client: new OpenAI({ baseURL: server.baseUrl, apiKey: options.apiKey ?? 'local', maxRetries: 0 }),
    stats: async () => (await (await fetch(`${root}/stats`, { headers })).json()) as OracleStats,
    post: (path, body) => fetch(`${root}${path}`, { method: 'POST', body }),
    clock: async (now) => {
      await fetch(`${root}/clock`, { method: 'POST', body: JSON.stringify({ now }), headers });
    },
  };
}
