/** Files of a model repository by the hub's HTTP API: resumed where they stopped, and checked by hash. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../../workflows/errors.js';

export interface HubOptions {
  /** Default: `HF_ENDPOINT`, else the public hub. */
  endpoint?: string;
  /** Default: `HF_TOKEN`; sent to the endpoint only. */
  token?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Waits between tries, in milliseconds; as many tries as there are entries, and one. */
  retryDelays?: readonly number[];
}

const repositorySchema = z.looseObject({
  sha: z.string(),
  siblings: z.array(
    z.looseObject({
      rfilename: z.string(),
      size: z.int().nonnegative(),
      /** Git's hash of the file, where it is not stored as a large one. */
      blobId: z.string().optional(),
      lfs: z.looseObject({ sha256: z.string().regex(/^[0-9a-f]{64}$/) }).nullish(),
    }),
  ),
});
type HubFile = z.infer<typeof repositorySchema>['siblings'][number];

const WANTED =
  /^(config\.json|generation_config\.json|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|chat_template\.jinja|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json)$/;
const RETRY_DELAYS = [1_000, 4_000, 15_000];

const failed = (message: string, cause?: unknown): UserError =>
  new UserError('ModelUnavailable', `base.pretrained.hub: ${message}`, { cause });

/**
 * Download the model files of `name` at `revision` into `dir`. What is there complete is kept, what is there in part is
 * resumed.
 * @throws UserError `ModelUnavailable` naming what is missing, refused or does not have its hash.
 */
export async function downloadFromHub(
  name: string,
  revision: string,
  dir: string,
  options: HubOptions = {},
): Promise<void> {
  const hub = new Hub(options);
  const { siblings } = await hub.repository(name, revision);
  const files = siblings.filter(({ rfilename }) => WANTED.test(rfilename));
  for (const needed of ['config.json', 'tokenizer.json', 'tokenizer_config.json'])
    if (!files.some(({ rfilename }) => rfilename === needed))
      throw failed(`${name} has no ${needed}, which the engine needs`);
  if (!files.some(({ rfilename }) => rfilename.endsWith('.safetensors')))
    throw failed(`${name} has no safetensors weights`);
  await mkdir(dir, { recursive: true });
  for (const file of files) await hub.file(name, revision, file, join(dir, file.rfilename));
}

class Hub {
  private readonly endpoint: string;
  private readonly token: string | undefined;
  private readonly delays: readonly number[];

  constructor(private readonly options: HubOptions) {
    const given = options.endpoint ?? process.env.HF_ENDPOINT ?? 'https://huggingface.co';
    this.endpoint = given.replace(/\/+$/, '');
    this.token = options.token ?? process.env.HF_TOKEN;
    this.delays = options.retryDelays ?? RETRY_DELAYS;
  }

  async repository(name: string, revision: string): Promise<z.infer<typeof repositorySchema>> {
    const url = `${this.endpoint}/api/models/${name}/revision/${revision}?blobs=true`;
    const found = await this.retried(`the file list of ${name}`, async () => {
      const response = await this.get(url, {});
      if (response.status === 404) throw failed(`there is no model ${name} with the revision ${revision}`);
      if (response.status === 401 || response.status === 403)
        throw failed(`${name} needs permission: set HF_TOKEN to a token that may read it`);
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      return response.json();
    });
    const parsed = repositorySchema.safeParse(found);
    if (!parsed.success) throw failed(`${this.endpoint} does not answer like the hub for ${name}`);
    return parsed.data;
  }

  async file(name: string, revision: string, file: HubFile, path: string): Promise<void> {
    if ((await sizeOf(path)) === file.size && (await matches(path, file))) return;
    const part = `${path}.part`;
    await mkdir(dirname(path), { recursive: true });
    const url = `${this.endpoint}/${name}/resolve/${revision}/${file.rfilename}`;
    await this.retried(file.rfilename, () => this.fetchRest(url, part, file));
    if ((await sizeOf(part)) !== file.size || !(await matches(part, file))) {
      await rm(part, { force: true });
      throw failed(`${file.rfilename} of ${name} does not have the hash that the hub announces`);
    }
    await rename(part, path);
  }

  /** Append what is missing of `part`; a server that ignores the range starts the file over. */
  private async fetchRest(url: string, part: string, file: HubFile): Promise<void> {
    const have = (await sizeOf(part)) ?? 0;
    if (have > file.size) await rm(part);
    if (have === file.size && have > 0) return;
    const from = have > file.size ? 0 : have;
    const response = await this.get(url, from > 0 ? { range: `bytes=${from}-` } : {});
    if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
    const output = await open(part, response.status === 206 ? 'a' : 'w');
    try {
      for await (const chunk of response.body) await output.write(chunk as Uint8Array);
      await output.sync();
    } finally {
      await output.close();
    }
    const got = (await sizeOf(part)) ?? 0;
    if (got < file.size) throw new Error(`the connection ended at byte ${got} of ${file.size}`);
  }

  private get(url: string, headers: Record<string, string>): Promise<Response> {
    const sent = this.token ? { ...headers, authorization: `Bearer ${this.token}` } : headers;
    const { signal } = this.options;
    return fetch(url, { headers: sent, ...(signal ? { signal } : {}) });
  }

  private async retried<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    for (let tries = 0; ; tries += 1) {
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof UserError || this.options.signal?.aborted) throw error;
        const wait = this.delays[tries];
        if (wait === undefined)
          throw failed(
            `${what} could not be downloaded from ${this.endpoint}: ${(error as Error).message}`,
            error,
          );
        await new Promise((resolve) => setTimeout(resolve, wait));
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

/** Large files have a SHA-256, others the SHA-1 of git's blob; without either the size must do. */
async function matches(path: string, { size, lfs, blobId }: HubFile): Promise<boolean> {
  if (lfs) return (await digest(path, createHash('sha256'))) === lfs.sha256;
  if (blobId === undefined) return true;
  return (await digest(path, createHash('sha1').update(`blob ${size}\0`))) === blobId;
}

async function digest(path: string, hash: Hash): Promise<string> {
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
