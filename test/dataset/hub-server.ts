/** The parts of the hub's HTTP API that data sets need, over files in memory, with faults on demand. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export const COMMIT = 'c0ffee0123456789c0ffee0123456789c0ffee01';

export interface HubServer {
  url: string;
  /** Method-less request lines in order: path and range. */
  requests: { path: string; range?: string; authorization?: string }[];
  /** Close the connection after so many bytes of the next file. */
  cutAfter?: number;
  /** Awaited before it is closed: bytes that the client has not read are lost with the connection. */
  beforeCut?: () => Promise<unknown>;
  /** Answer so many requests with 503 first. */
  failures: number;
  close: () => Promise<void>;
}

export interface HubFiles {
  repository: string;
  files: Record<string, Buffer>;
  /** Commit of `files`, to which `main` points; default: {@link COMMIT}. */
  commit?: string;
  /** Files of earlier commits that are still there. */
  earlier?: Record<string, Record<string, Buffer>>;
  /** Paths that are stored as large files. */
  large?: string[];
  token?: string;
  /** Entries of a page of the file list. */
  pageSize?: number;
  /** Bytes that differ from what the list announces. */
  damaged?: boolean;
}

/** One or more data sets; large files are served for the first one only. */
export async function startHubServer(...hubs: [HubFiles, ...HubFiles[]]): Promise<HubServer> {
  const state: HubServer = { url: '', requests: [], failures: 0, close: () => Promise.resolve() };
  const server = createServer((request, response) => {
    const hub = hubs.find(({ repository }) => request.url?.includes(`/${repository}/`)) ?? hubs[0];
    answer(hub, state, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  state.close = () => closeServer(server);
  return state;
}

function answer(hub: HubFiles, state: HubServer, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', state.url);
  const path = decodeURI(url.pathname);
  const { range, authorization } = request.headers;
  state.requests.push({ path, ...(range && { range }), ...(authorization && { authorization }) });
  const json = (status: number, body: unknown, headers: Record<string, string> = {}) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  if (state.failures > 0) {
    state.failures -= 1;
    return void json(503, { error: 'busy' });
  }
  if (path.startsWith('/cdn/')) return sendFile(hub, state, path.slice('/cdn/'.length), range, response);
  if (hub.token && authorization !== `Bearer ${hub.token}`)
    return void json(401, { error: 'Invalid credentials' });
  const api = `/api/datasets/${hub.repository}`;
  const head = hub.commit ?? COMMIT;
  const commits: Record<string, Record<string, Buffer>> = { ...hub.earlier, [head]: hub.files };
  const revision = path.startsWith(`${api}/revision/`) ? path.slice(`${api}/revision/`.length) : undefined;
  const sha = revision === 'main' ? head : revision;
  if (sha !== undefined && commits[sha]) return void json(200, { id: hub.repository, sha, private: false });
  const listed = Object.keys(commits).find((commit) => path === `${api}/tree/${commit}`);
  if (listed) {
    const entries = treeOf({ ...hub, files: commits[listed]! });
    const from = Number(url.searchParams.get('cursor') ?? 0);
    const to = from + (hub.pageSize ?? entries.length);
    const next = `<${state.url}${api}/tree/${listed}?recursive=true&cursor=${to}>; rel="next"`;
    return void json(200, entries.slice(from, to), to < entries.length ? { link: next } : {});
  }
  const [, commit = '', name = ''] =
    new RegExp(`^/datasets/${hub.repository}/resolve/([^/]+)/(.+)$`).exec(path) ?? [];
  const file = commits[commit]?.[name];
  if (!file) return void json(404, { error: 'not found' });
  // Large files live elsewhere.
  if (hub.large?.includes(name)) response.writeHead(302, { location: `/cdn/${encodeURI(name)}` }).end();
  else sendFile({ ...hub, files: { [name]: file } }, state, name, range, response);
}

function treeOf({ files, large = [] }: HubFiles): unknown[] {
  const entries = Object.entries(files).map(([path, bytes]) => ({
    type: 'file',
    path,
    size: bytes.length,
    oid: createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex'),
    ...(large.includes(path) && {
      lfs: { oid: createHash('sha256').update(bytes).digest('hex'), size: bytes.length, pointerSize: 132 },
    }),
  }));
  return [{ type: 'directory', path: 'data', size: 0, oid: '0'.repeat(40) }, ...entries];
}

function sendFile(
  hub: HubFiles,
  state: HubServer,
  name: string,
  range: string | undefined,
  response: ServerResponse,
): void {
  const original = hub.files[name]!;
  const whole = hub.damaged ? Buffer.from(original.map((byte) => byte ^ 1)) : original;
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  const bytes = whole.subarray(from);
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': bytes.length });
  const cut = state.cutAfter;
  if (cut === undefined || cut >= bytes.length) return void response.end(bytes);
  delete state.cutAfter;
  response.write(bytes.subarray(0, cut), () => {
    void (state.beforeCut?.() ?? Promise.resolve()).finally(() => response.destroy());
  });
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
