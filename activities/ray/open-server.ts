/** A server for a model: one that stands already and serves this very model, else one on the Ray cluster. */
import { z } from 'zod';
import type { ArtifactStore } from '../artifacts/store.js';
import { httpCall } from './http-call.js';
import { JudgeServer, type Served, type ServerWish } from './judge-server.js';
import type { ServerDeadlines } from './server-watch.js';
import { servedName } from './serving-spec.js';

const modelsSchema = z.object({ data: z.array(z.object({ id: z.string() })) });
const TIMEOUT_MS = 10_000;

/**
 * Nothing is looked for or started before the first question needs it. `RMR1_JUDGE_SERVER` names servers that somebody
 * else runs (`http://release-judge:8000`, several by commas): one is used where its `/v1/models` lists the model by the
 * name that its content gives it, so never for another model.
 */
export function serverFor(
  store: ArtifactStore,
  wish: ServerWish,
  {
    env = process.env,
    deadlines,
  }: { env?: Readonly<Record<string, string | undefined>>; deadlines?: ServerDeadlines } = {},
): Served {
  const name = servedName(wish.model);
  const open = async () => (await standingServer(name, env)) ?? JudgeServer.hold(store, wish, deadlines);
  let opened: Promise<Served> | undefined;
  return {
    name,
    endpoint: async (signal) => (await (opened ??= open())).endpoint(signal),
    doubt: (endpoint) => void opened?.then((server) => server.doubt(endpoint)),
    close: async () => (await opened)?.close(),
  };
}

/** The first of the named servers that serves `name`; undefined where none does. */
async function standingServer(
  name: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Served | undefined> {
  const key = env.RMR1_JUDGE_API_KEY;
  for (const address of (env.RMR1_JUDGE_SERVER ?? '').split(',')) {
    const baseUrl = `${address.trim().replace(/\/+$/, '').replace(/\/v1$/, '')}/v1`;
    if (baseUrl !== '/v1' && (await namesAt(baseUrl, key)).includes(name))
      return {
        name,
        endpoint: () => Promise.resolve({ baseUrl, key }),
        doubt: () => undefined,
        close: () => Promise.resolve(),
      };
  }
  return undefined;
}

/** Names of the models at a server; none where it does not answer. */
async function namesAt(baseUrl: string, key: string | undefined): Promise<string[]> {
  try {
    const headers: Record<string, string> = key ? { authorization: `Bearer ${key}` } : {};
    const { text } = await httpCall(`${baseUrl}/models`, { method: 'GET', headers, timeoutMs: TIMEOUT_MS });
    return modelsSchema.parse(JSON.parse(text)).data.map(({ id }) => id);
  } catch {
    return [];
  }
}
