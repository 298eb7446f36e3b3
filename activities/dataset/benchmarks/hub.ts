/** Files of a hub data set by the hub's HTTP API: kept by commit, resumed where they stopped, checked by hash. */
import { join } from 'node:path';
import { z } from 'zod';
import { cacheFromEnvironment } from '../../../infra/local/home.js';
import { UserError } from '../../../workflows/errors.js';
import { HubClient, sizeOf, type HubFailures, type HubOptions } from '../../hub/hub-client.js';

export interface HubDatasetOptions extends HubOptions {
  /** Where files are kept; default: `hub` in the cache directory. */
  cache?: string;
}

const FAILURES: HubFailures = {
  refused: (what, status, endpoint) =>
    new UserError(
      'HubRefused',
      `${what} is not on ${endpoint} or not open to you (HTTP ${status}); check the name, or set HF_TOKEN.`,
    ),
  unreachable: (what, reason, endpoint, cause) =>
    new UserError(
      'HubUnreachable',
      `${what} could not be fetched from ${endpoint} (${reason}); check the network or HF_ENDPOINT.`,
      { cause },
    ),
  damaged: (what) =>
    new UserError('HubUnreachable', `${what} arrived damaged (its hash differs from the hub's); try again.`),
};

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
    readonly commit: string,
    private readonly files: ReadonlyMap<string, TreeEntry>,
    private readonly hub: HubClient,
    private readonly cache: string,
  ) {}

  /**
   * Find `hub:owner/name[@revision][#path]`; `path` is a file or a folder.
   * @throws UserError `InvalidInput`, `HubRefused` (unknown, private), `HubUnreachable`.
   */
  static async open(reference: string, options: HubDatasetOptions = {}): Promise<HubDataset> {
    const { name: repository, revision = 'main', path = '' } = REFERENCE.exec(reference)?.groups ?? {};
    if (!repository)
      throw new UserError(
        'InvalidInput',
        `data: "${reference}" is no hub data set; write hub:owner/name, hub:owner/name@revision or hub:owner/name#path.`,
      );
    const hub = new HubClient(options, FAILURES);
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
    const cache = options.cache ?? join(cacheFromEnvironment(), 'hub');
    return new HubDataset(`${repository}@${sha}`, repository, sha, files, hub, cache);
  }

  get paths(): string[] {
    return [...this.files.keys()];
  }

  /** Hash of a file's content, as the hub keeps it: the same at another commit where the file did not change. */
  versionOf(path: string): string | undefined {
    const entry = this.files.get(path);
    return entry?.lfs?.oid ?? entry?.oid;
  }

  /** Local path of a file, downloaded where it is not there yet. @throws UserError `HubRefused`, `HubUnreachable`. */
  async fetch(path: string): Promise<string> {
    const entry = this.files.get(path);
    // The hub is another's server: a name must not lead out of the folder.
    if (!entry || path.split('/').includes('..')) throw new RangeError(`${this.name} has no file ${path}`);
    const target = join(this.cache, 'datasets', this.repository, this.commit, path);
    const { size, oid, lfs } = entry;
    // Files are kept by commit: what was checked once stays what it is.
    if ((await sizeOf(target)) === size) return target;
    const url = `/datasets/${this.repository}/resolve/${this.commit}/${encodeURI(path)}`;
    const file = { size, sha256: lfs?.oid, blobSha1: lfs ? undefined : oid };
    await this.hub.file(url, target, file, `${this.name}/${path}`);
    return target;
  }
}

function understood<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new UserError('HubRefused', `${what}: the server does not answer like the hub; check HF_ENDPOINT.`);
}
