/** Files of a model repository of the hub. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { UserError } from '../../workflows/errors.js';
import { HubClient, isWhole, type HubOptions } from '../hub/hub-client.js';

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

const WANTED =
  /^(config\.json|generation_config\.json|tokenizer\.json|tokenizer_config\.json|special_tokens_map\.json|chat_template\.jinja|model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json)$/;

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
  const hub = new HubClient(options, {
    refused: (_, status) =>
      status === 404
        ? failed(`there is no model ${name} with the revision ${revision}`)
        : failed(`${name} needs permission: set HF_TOKEN to a token that may read it`),
    unreachable: (what, reason, endpoint, cause) =>
      failed(`${what} could not be downloaded from ${endpoint}: ${reason}`, cause),
    damaged: (what) => failed(`${what} of ${name} does not have the hash that the hub announces`),
  });
  const found = await hub.json(
    `/api/models/${name}/revision/${revision}?blobs=true`,
    `the file list of ${name}`,
  );
  const parsed = repositorySchema.safeParse(found);
  if (!parsed.success) throw failed(`${hub.endpoint} does not answer like the hub for ${name}`);
  const files = parsed.data.siblings.filter(({ rfilename }) => WANTED.test(rfilename));
  for (const needed of ['config.json', 'tokenizer.json', 'tokenizer_config.json'])
    if (!files.some(({ rfilename }) => rfilename === needed))
      throw failed(`${name} has no ${needed}, which the engine needs`);
  if (!files.some(({ rfilename }) => rfilename.endsWith('.safetensors')))
    throw failed(`${name} has no safetensors weights`);
  await mkdir(dir, { recursive: true });
  for (const { rfilename, size, lfs, blobId } of files) {
    const file = { size, sha256: lfs?.sha256, blobSha1: blobId };
    const target = join(dir, rfilename);
    if (await isWhole(target, file)) continue;
    await hub.file(`/${name}/resolve/${revision}/${rfilename}`, target, file, rfilename);
  }
}
