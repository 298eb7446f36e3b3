/** The first stage: pairs in, checked, split and balanced; with the tokenizer and the warm-up documents. */
import { Context } from '@temporalio/activity';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderPrompt } from '../../engine/tokenizer/chat.js';
import type { SupervisedSample } from '../../engine/job.js';
import { TextTokenizer } from '../../engine/tokenizer/tokenizer.js';
import { writeTokenizer } from '../../engine/tokenizer/tokenizer-files.js';
import { UserError } from '../../workflows/errors.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { DatasetInput } from '../interface.js';
import { finishStage, findStage, type StageIdentity } from '../stage.js';
import type { StageOutcome } from '../stage-outcome.js';
import { VERSIONS } from '../versions.js';
import { fileDataset } from './file-dataset.js';
import { assignGold } from './index.js';
import { toLine } from './pair-lines.js';
import { BadDataError } from './bad-data.js';
import { type RawDataset, worldDataset } from './world-dataset.js';

/**
 * Make the dataset artefacts, or find them made.
 * @throws BadDataError with file, line and field; UserError `InvalidInput`.
 */
export async function prepareDataset(store: ArtifactStore, input: DatasetInput): Promise<StageOutcome> {
  const began = Date.now();
  const beat = setInterval(() => Context.current().heartbeat(), 5000);
  const dir = await mkdtemp(join(tmpdir(), 'rmr1-dataset-'));
  try {
    const data = await stored(store, input);
    const identity = datasetIdentity(input, data);
    const found = await findStage(store, identity);
    if (found) return found;
    const raw = await makeDataset(store, input, data, dir);
    const tokenizerDir = join(dir, 'tokenizer');
    writeTokenizer(tokenizerDir, raw.tokenizer);
    const outputs = await storeDataset(store, raw, tokenizerDir, input.seed);
    const { train, validation, test, matrix } = raw.splits;
    return await finishStage(store, identity, input.context, {
      outputs,
      metrics: {
        train: train.length,
        validation: validation.length,
        test: test.length,
        ...(matrix ? { matrix: matrix.length } : {}),
        documents: raw.documents.length,
      },
      cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: (Date.now() - began) / 1000 },
    });
  } finally {
    clearInterval(beat);
    await rm(dir, { recursive: true, force: true });
  }
}

/** The data as an artefact, so that its hash, not its path, decides whether the stage was done before. */
async function stored(store: ArtifactStore, { data }: DatasetInput): Promise<ArtifactRef | undefined> {
  if (typeof data !== 'string') return data;
  try {
    return await store.putFile('pairs', data);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      throw new BadDataError(data, [
        {
          message:
            'there is no such file on the worker; give a path that workers can read, or start the run with `rmr1 run --data`, which uploads it',
        },
      ]);
    if (code === 'EACCES' || code === 'EISDIR')
      throw new BadDataError(data, [{ message: 'the worker cannot read it as a file' }]);
    throw error;
  }
}

async function makeDataset(
  store: ArtifactStore,
  { recipe, seed, data: given }: DatasetInput,
  data: ArtifactRef | undefined,
  dir: string,
): Promise<RawDataset> {
  if (recipe.data.source === 'world') {
    try {
      return worldDataset(recipe, seed);
    } catch (error) {
      if (error instanceof RangeError) throw new UserError('InvalidInput', `data.world: ${error.message}`);
      throw error;
    }
  }
  if (!data)
    throw new UserError('InvalidInput', `data: recipe '${recipe.name}' needs a JSONL file of pairs.`);
  const name = typeof given === 'string' ? given : 'the uploaded pairs';
  // The reader goes by content: gzip or plain, whatever the name says.
  const path = join(dir, 'pairs.jsonl');
  await store.getFile(data, path);
  return fileDataset(recipe, seed, path, name);
}

async function storeDataset(
  store: ArtifactStore,
  { splits, documents, report }: RawDataset,
  tokenizerDir: string,
  seed: number,
): Promise<Record<string, ArtifactRef>> {
  const outputs: Record<string, ArtifactRef> = {};
  for (const [name, pairs] of Object.entries(splits)) {
    outputs[name] = await store.putLines('pairs', assignGold(pairs, seed).map(toLine));
  }
  const { config } = TextTokenizer.load(tokenizerDir);
  const samples: SupervisedSample[] = documents.map(({ id, prompt, completion }) => ({
    id,
    prompt: renderPrompt(config, [{ role: 'user', content: prompt }]),
    completion,
  }));
  outputs.documents = await store.putLines('documents', samples);
  outputs.tokenizer = await store.putDirectory('tokenizer', tokenizerDir);
  outputs.stats = await store.putBytes('stats', JSON.stringify(report, null, 2));
  return outputs;
}

function datasetIdentity({ recipe, seed }: DatasetInput, data: ArtifactRef | undefined): StageIdentity {
  const { base } = recipe;
  return {
    stage: 'dataset',
    inputs: data ? { data } : {},
    settings: {
      data: recipe.data,
      ...(base.kind === 'pretrained'
        ? { pretrained: base.pretrained }
        : { tokenizer: base.tokenizer, documents: base.documents }),
      promptVersion: recipe.promptVersion,
      maxLength: base.architecture.maxLength,
      room: Math.max(recipe.grpo.maxNewTokens, recipe.evaluate.maxNewTokens),
    },
    versions: { dataset: VERSIONS.dataset, world: VERSIONS.world },
    seed,
  };
}
