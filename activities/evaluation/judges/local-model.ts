/** The model of a local judge, brought to this disk. */
import { join, resolve } from 'node:path';
import { homeDirectory } from '../../../infra/environment.js';
import { isEngineJudge, type JudgeSettings } from '../../../workflows/judge-settings.js';
import { hashFile } from '../../artifacts/hashing.js';
import type { ArtifactStore } from '../../artifacts/store.js';
import type { OpenOptions } from './open-judge.js';

const WEIGHTS = 'model.safetensors';

/** Fetched once per home; a directory is taken as it is, named by the hash of its weights. */
export async function localModelOf(
  store: ArtifactStore,
  judge: JudgeSettings,
): Promise<Pick<OpenOptions, 'localModel'>> {
  if (!isEngineJudge(judge)) return {};
  if (typeof judge.model === 'string') {
    const dir = resolve(judge.model);
    return { localModel: { dir, sha256: (await hashFile(join(dir, WEIGHTS))).sha256 } };
  }
  const dir = join(homeDirectory(), 'models', judge.model.sha256);
  await store.fetchDirectory(judge.model, dir);
  return { localModel: { dir, sha256: (await hashFile(join(dir, WEIGHTS))).sha256 } };
}
