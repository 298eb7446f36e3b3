/** Files of a hub data set by the hub's HTTP API: kept by commit, resumed where they stopped, checked by hash. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { cacheFromEnvironment } from '../../../infra/local/home.js';
import { UserError } from '../../../workflows/errors.js';

export interface HubOptions {
  /** Default: `HF_ENDPOINT`, else the public hub. */
  endpoint?: string;
  /** Default: `HF_TOKEN`. */
  token?: string;
  /** Where files are kept; default: `hub` in the cache directory. */
  cache?: string;
  /** Tries a request has before `HubUnreachable`, and the pause before the second in ms; it doubles. */
  tries?: number;
  pauseMs?: number;
}

const REFERENCE = /^hub:(?<name>[\w.-]+\/[\w.-]+)(?:@(?<revision>[^#]+))?(?:#(?<path>.+))?$/;

const revisionSchema = z.looseObject({ sha: z.string().regex(/^[0-9a-f]{40}$/) });
const treeSchema = z.array(
  z.looseObject({
    type: z.string(),
    path: z.string(),
    size: z.int(),
    /** Git's hash of the blob; of a large file that of its pointer. */
    oid: z.string(),
    lfs: z.looseObject({ oid: z.string() }).optional(),
  }),
);
type TreeEntry = z.infer<typeof treeSchema>[number];

/** One commit of a data set. */
export class HubDataset {
  private constructor(
    /** `owner/name@commit`. */
    readonly name: string,
    private readonly repository: string,
    private readonly commit: string,
    private readonly files: ReadonlyMap<string, TreeEntry>,
    private readonly hub: Hub,
  ) {}

  /**
   * Find `hub:owner/name[@revision][#path]`; `path` is a file or a folder.
   * @throws UserError `InvalidInput`, `HubRefused` (unknown, private), `HubUnreachable`.
   */
  static async open(reference: string, options: HubOptions = {}): Promise<HubDataset> {
    const { name: repository, revision = 'main', path = '' } = REFERENCE.exec(reference)?.groups ?? {};
    if (!repository)
      throw new UserError(
        'InvalidInput',
        `data: "${reference}" is no hub data set; write hub:owner/name, hub:owner/name@revision or hub:owner/name#path.`,
      );
    const hub = new Hub(options);
    const api = `/api/datasets/${repository}`;
    const found = await hub.json(`${api}/revision/${encodeURIComponent(revision)}`, reference);
    const { sha } = understood(revisionSchema, found, reference);
    const files = new Map<string, TreeEntry>();
    for await (const page of hub.pages(`${api}/tree/${sha}?recursive=true`, reference)) {
      for (const entry of understood(treeSchema, page, reference)) {
        const inside =
          path === '' || entry.path === path || entry.path.startsWith(`${path.replace(/\/$/, '')}/`);
        if (entry.type === 'file' && inside) files.set(entry.path, entry);
      }
    }
    return new HubDataset(`${repository}@${sha}`, repository, sha, files, hub);
  }

  get paths(): string[] {
    return [...this.files.keys()];
  }

  /** Local path of a file, downloaded where it is not there yet. @throws UserError `HubRefused`, `HubUnreachable`. */
  async fetch(path: string): Promise<string> {
    const entry = this.files.get(path);
    // The hub is another's server: a name must not lead out of the folder.
    if (!entry || path.split('/').includes('..')) throw new RangeError(`${this.name} has no file ${path}`);
    const target = join(this.hub.cache, 'datasets', this.repository, this.commit, path);
    if ((await sizeOf(target)) === entry.size) return target;
    await mkdir(dirname(target), { recursive: true });
    const url = `/datasets/${this.repository}/resolve/${this.commit}/${encodeURI(path)}`;
    const part = `${target}.part`;
    await this.hub.download(url, part, entry.size, `${this.name}/${path}`);
    if ((await hashOf(part, entry)) !== (entry.lfs?.oid ?? entry.oid)) {
      await rm(part, { force: true });
      throw new UserError(
        'HubUnreachable',
        `${this.name}/${path} arrived damaged (its hash differs from the hub's); try again.`,
      );
    }
    await rename(part, target);
    return target;
  }
}

function understood<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new UserError('HubRefused', `${what}: the server does not answer like the hub; check HF_ENDPOINT.`);
}

class Hub {
  readonly cache: string;
  private readonly endpoint: string;
  private readonly token: string | undefined;
  private readonly tries: number;
  private readonly pauseMs: number;

  constructor(options: HubOptions) {
    this.endpoint = (options.endpoint ?? process.env['HF_ENDPOINT'] ?? 'https://huggingface.co').replace(
      /\/$/,
      '',
    );
    this.token = options.token ?? process.env['HF_TOKEN'];
    this.cache = options.cache ?? join(cacheFromEnvironment(), 'hub');
    this.tries = options.tries ?? 4;
    this.pauseMs = options.pauseMs ?? 500;
  }

  async json(path: string, what: string): Promise<unknown> {
    return this.attempt(what, async () => (await this.request(path, what)).json());
  }

  /** Pages of a list; the hub names the next one in a Link header. */
  async *pages(path: string, what: string): AsyncGenerator<unknown> {
    for (let next: string | undefined = path; next !== undefined;) {
      const page = await this.attempt(what, async () => {
        const response = await this.request(next!, what);
        const link = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
        return { body: await response.json(), link };
      });
      yield page.body;
      // Only the path is taken over: the token must go to no other host.
      const url: URL | undefined = page.link ? new URL(page.link, this.endpoint) : undefined;
      next = url && url.pathname + url.search;
    }
  }

  /** Append what `file` lacks of `size` bytes. */
  async download(path: string, file: string, size: number, what: string): Promise<void> {
    await this.attempt(what, async () => {
      const have = (await sizeOf(file)) ?? 0;
      if (have === size) return;
      const resumable = have > 0 && have < size;
      const response = await this.request(path, what, resumable ? { range: `bytes=${have}-` } : {});
      const output = await open(file, response.status === 206 ? 'a' : 'w');
      try {
        for await (const chunk of response.body ?? []) await output.write(chunk as Uint8Array);
      } finally {
        await output.close();
      }
      const got = (await sizeOf(file)) ?? 0;
      if (got !== size) throw new Error(`${got} of ${size} bytes arrived`);
    });
  }

  private async request(path: string, what: string, headers: Record<string, string> = {}): Promise<Response> {
    const response = await fetch(this.endpoint + path, {
      headers: { ...headers, ...(this.token && { authorization: `Bearer ${this.token}` }) },
    });
    if (response.ok) return response;
    await response.body?.cancel();
    if ([401, 403, 404].includes(response.status))
      throw new UserError(
        'HubRefused',
        `${what} is not on ${this.endpoint} or not open to you (HTTP ${response.status}); check the name, or set HF_TOKEN.`,
      );
    throw new Error(`HTTP ${response.status}`);
  }

  /** Again after a fault of the line or the server, and on from where a download stopped. */
  private async attempt<T>(what: string, once: () => Promise<T>): Promise<T> {
    for (let tried = 1; ; tried += 1) {
      try {
        return await once();
      } catch (error) {
        if (error instanceof UserError) throw error;
        if (tried >= this.tries) {
          const { message, cause } = error as Error;
          const reason = cause instanceof Error ? cause.message : message;
          throw new UserError(
            'HubUnreachable',
            `${what} could not be fetched from ${this.endpoint} (${reason}); check the network or HF_ENDPOINT.`,
            { cause: error },
          );
        }
        await new Promise((resolve) => setTimeout(resolve, this.pauseMs * 2 ** (tried - 1)));
      }
    }
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ size }) => size,
    () => undefined,
  );
}

/** SHA-256 of a large file; of another Git's hash of the blob, which is SHA-1 over a header and the bytes. */
async function hashOf(path: string, { lfs, size }: TreeEntry): Promise<string> {
  const hash = lfs ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
