/** The hub's HTTP API: JSON, paged lists, and files that are resumed where they stopped and checked by their hash. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../../workflows/errors.js';
import { isStoreError } from '../artifacts/errors.js';
import { onLocalDisk } from '../artifacts/local-files.js';

export interface HubOptions {
  /** Default: `HF_ENDPOINT`, else the public hub. */
  endpoint?: string;
  /** Default: `HF_TOKEN`; sent to the endpoint only. */
  token?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Waits between tries, in milliseconds; as many tries as there are entries, and one. */
  retryDelays?: readonly number[];
}

/** How failures are told; `what` is the file, list or repository that was asked for. */
export interface HubFailures {
  /** Unknown (404) or not open to this token (401, 403). */
  refused: (what: string, status: number, endpoint: string) => UserError;
  /** All tries failed. */
  unreachable: (what: string, reason: string, endpoint: string, cause: unknown) => UserError;
  damaged: (what: string) => UserError;
}

/** A file as the hub announces it. */
export interface HubFile {
  size: number;
  /** SHA-256 of a large file. */
  sha256?: string | undefined;
  /** Git's hash of the blob of another one: SHA-1 over a header and the bytes. */
  blobSha1?: string | undefined;
}

const RETRY_DELAYS = [1_000, 4_000, 15_000];

export class HubClient {
  readonly endpoint: string;
  private readonly token: string | undefined;
  private readonly delays: readonly number[];
  private readonly signal: AbortSignal | undefined;

  constructor(
    options: HubOptions,
    private readonly failures: HubFailures,
  ) {
    const given = options.endpoint ?? process.env['HF_ENDPOINT'] ?? 'https://huggingface.co';
    this.endpoint = given.replace(/\/+$/, '');
    this.token = options.token ?? process.env['HF_TOKEN'];
    this.delays = options.retryDelays ?? RETRY_DELAYS;
    this.signal = options.signal;
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

  /**
   * Bring a file to `target`, complete and with its announced hash, or not at all; what lies beside it in part is resumed.
   * @throws the failures of this client; StoreError `DiskFull`
   */
  async file(path: string, target: string, file: HubFile, what: string): Promise<void> {
    const part = `${target}.part`;
    await mkdir(dirname(target), { recursive: true });
    await this.attempt(what, () => onLocalDisk(part, () => this.fetchRest(path, part, file, what)));
    if (!(await isWhole(part, file))) {
      await rm(part, { force: true });
      throw this.failures.damaged(what);
    }
    await rename(part, target);
  }

  /** Append what is missing of `part`; a server that ignores the range starts the file over. */
  private async fetchRest(path: string, part: string, { size }: HubFile, what: string): Promise<void> {
    const have = (await sizeOf(part)) ?? 0;
    if (have === size && have > 0) return;
    const resumable = have > 0 && have < size;
    const response = await this.request(path, what, resumable ? { range: `bytes=${have}-` } : {});
    const output = await open(part, resumable && response.status === 206 ? 'a' : 'w');
    try {
      for await (const chunk of response.body ?? []) await output.write(chunk as Uint8Array);
      await output.sync();
    } finally {
      await output.close();
    }
    const got = (await sizeOf(part)) ?? 0;
    if (got !== size) throw new Error(`the connection ended at byte ${got} of ${size}`);
  }

  private async request(path: string, what: string, headers: Record<string, string> = {}): Promise<Response> {
    const response = await fetch(this.endpoint + path, {
      headers: { ...headers, ...(this.token && { authorization: `Bearer ${this.token}` }) },
      ...(this.signal ? { signal: this.signal } : {}),
    });
    if (response.ok) return response;
    await response.body?.cancel();
    if ([401, 403, 404].includes(response.status))
      throw this.failures.refused(what, response.status, this.endpoint);
    throw new Error(`HTTP ${response.status}`);
  }

  /** Again after a fault of the line or the server, and on from where a download stopped. */
  private async attempt<T>(what: string, once: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await once();
      } catch (error) {
        if (error instanceof UserError || isStoreError(error, 'DiskFull') || this.signal?.aborted)
          throw error;
        const wait = this.delays[tries];
        if (wait === undefined) {
          const { message, cause } = error as Error;
          const reason = cause instanceof Error ? cause.message : message;
          throw this.failures.unreachable(what, reason, this.endpoint, error);
        }
        await delay(wait, undefined, this.signal ? { signal: this.signal } : {});
      }
    }
  }
}

export async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ size }) => size,
    () => undefined,
  );
}

/** Whether a file is there with the size and the hash that the hub announces; without a hash the size must do. */
export async function isWhole(path: string, { size, sha256, blobSha1 }: HubFile): Promise<boolean> {
  if ((await sizeOf(path)) !== size) return false;
  if (sha256) return (await digest(path, createHash('sha256'))) === sha256;
  if (!blobSha1) return true;
  return (await digest(path, createHash('sha1').update(`blob ${size}\0`))) === blobSha1;
}

async function digest(path: string, hash: Hash): Promise<string> {
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
