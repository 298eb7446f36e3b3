/** The stage `base` of a recipe with a pretrained model: fetch, convert and store it. */
import { Context } from '@temporalio/activity';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Recipe } from '../../recipes/schema.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { TrainInput } from '../interface.js';
import { pretrainedDirectory } from '../pretrained/pretrained-model.js';
import { MODEL_WHEELS } from '../pretrained/wheels.js';
import { findStage, finishStage, type StageIdentity } from '../stage.js';
import type { StageOutcome } from '../stage-outcome.js';
import { VERSIONS } from '../versions.js';

type PretrainedBase = Extract<Recipe['base'], { kind: 'pretrained' }>;

/** @throws UserError `ModelUnavailable`; StoreError. */
export async function importBase(
  store: ArtifactStore,
  { context }: TrainInput,
  { pretrained }: PretrainedBase,
): Promise<StageOutcome> {
  const began = Date.now();
  const identity: StageIdentity = {
    stage: 'base',
    inputs: {},
    settings: { pretrained, ...('wheel' in pretrained ? { source: MODEL_WHEELS[pretrained.wheel] } : {}) },
    versions: { pretrained: VERSIONS.pretrained },
    // The same model for every seed.
    seed: 0,
  };
  const beat = setInterval(() => Context.current().heartbeat({ stage: 'base' }), 1000);
  try {
    const found = await findStage(store, identity);
    if (found) return found;
    const dir = await pretrainedDirectory(pretrained, { signal: Context.current().cancellationSignal });
    const model = await store.putDirectory('model', dir);
    return await finishStage(store, identity, context, {
      outputs: { model },
      metrics: { weightBytes: await weightBytes(dir) },
      cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: (Date.now() - began) / 1000 },
    });
  } finally {
    clearInterval(beat);
  }
}

async function weightBytes(dir: string): Promise<number> {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.safetensors'));
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(dir, name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
