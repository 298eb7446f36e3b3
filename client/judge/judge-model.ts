/** A model on disk that can be asked to judge: a run's result, or a directory in Hugging Face layout. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { PROMPT_VERSIONS, type PromptVersion } from '../../judge/prompt/versions.js';
import { homeDirectory } from '../../infra/environment.js';
import type { Recipe } from '../../recipes/schema.js';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import type { StageOutcome } from '../../activities/stage-outcome.js';
import type { RunResult } from '../../workflows/messages.js';
import { ClientError } from '../errors.js';
import { withRun } from '../commands/with-run.js';
import { localReport, modelDirectory } from '../results.js';
import { withStore } from '../store.js';

export interface JudgeModel {
  dir: string;
  promptVersion: PromptVersion;
  /** Longest sequence in tokens, prompt and judgement together. */
  maxLength: number;
  maxNewTokens: number;
}

/** Share of the context left for the judgement where no recipe says more. */
const JUDGEMENT_SHARE = 0.5;

/** @throws ClientError `Usage` for a directory that is no model, `RunNotReady` for a run without one. */
export async function resolveModel(model: string, promptVersion?: string): Promise<JudgeModel> {
  const found = existsSync(model)
    ? { dir: resolve(model) }
    : ((await keptFromRun(model)) ?? (await fetchFromRun(model)));
  const maxLength = await contextLength(found.dir);
  const recipe = 'recipe' in found ? found.recipe : undefined;
  return {
    dir: found.dir,
    promptVersion: versionOf(promptVersion ?? recipe?.promptVersion ?? 'compact-v1'),
    maxLength,
    maxNewTokens: recipe?.evaluate.maxNewTokens ?? Math.floor(maxLength * JUDGEMENT_SHARE),
  };
}

/** The copy that was kept when the run ended: it needs no servers. */
async function keptFromRun(workflowId: string): Promise<{ dir: string; recipe?: Recipe } | undefined> {
  const dir = modelDirectory(workflowId);
  const report = existsSync(join(dir, 'config.json')) ? await localReport(workflowId) : undefined;
  return report && { dir, recipe: report.data.recipe as Recipe };
}

/** A model as an artefact, for judges that are not asked on this machine. */
export interface StoredModel {
  model: ArtifactRef;
  promptVersion: PromptVersion;
  /** Absent where no recipe says more. */
  maxNewTokens?: number;
}

/**
 * The model of a finished run, which nobody has to bring here; a directory is stored.
 * @throws ClientError `RunNotReady` for a run without one, `Usage` for an unknown prompt version.
 */
export async function modelInStore(model: string, promptVersion?: string): Promise<StoredModel> {
  const { ref, recipe } = existsSync(model) ? await storedDirectory(resolve(model)) : await modelOfRun(model);
  return {
    model: ref,
    promptVersion: versionOf(promptVersion ?? recipe?.promptVersion ?? 'cor-v1'),
    ...(recipe ? { maxNewTokens: recipe.evaluate.maxNewTokens } : {}),
  };
}

async function storedDirectory(dir: string): Promise<{ ref: ArtifactRef; recipe?: Recipe }> {
  await contextLength(dir);
  return { ref: await withStore((store) => store.putDirectory('model', dir)) };
}

async function modelOfRun(workflowId: string): Promise<{ ref: ArtifactRef; recipe?: Recipe }> {
  return withRun(workflowId, async (run) => {
    const { status, memo } = await run.status();
    if (status === 'RUNNING') {
      throw new ClientError('RunNotReady', `${workflowId} is still running: its judge is not finished.`);
    }
    const ref = modelOf(await run.result());
    if (!ref) throw new ClientError('RunNotReady', `${workflowId} ended without a model.`);
    return { ref, ...(memo['recipe'] ? { recipe: memo['recipe'] as Recipe } : {}) };
  });
}

/** The final model of a run, kept under its hash so that the next question needs no download. */
async function fetchFromRun(workflowId: string): Promise<{ dir: string; recipe?: Recipe }> {
  const { ref, ...rest } = await modelOfRun(workflowId);
  const dir = join(homeDirectory(), 'models', ref.sha256);
  await withStore((store) => store.fetchDirectory(ref, dir));
  return { dir, ...rest };
}

/** The judge of a training run, or what a stage that was started alone has trained. */
function modelOf(result: RunResult | StageOutcome): ArtifactRef | undefined {
  return 'outputs' in result ? result.outputs.model : result.model;
}

async function contextLength(dir: string): Promise<number> {
  const file = join(dir, 'config.json');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  const length = text === undefined ? undefined : lengthIn(text);
  if (length !== undefined) return length;
  throw new ClientError(
    'Usage',
    `${dir} is not a model directory: ${file} is missing or names no max_position_embeddings.`,
  );
}

function lengthIn(config: string): number | undefined {
  try {
    const { max_position_embeddings: length } = JSON.parse(config) as { max_position_embeddings?: unknown };
    return typeof length === 'number' ? length : undefined;
  } catch {
    return undefined;
  }
}

function versionOf(name: string): PromptVersion {
  const version = PROMPT_VERSIONS.find((known) => known === name);
  if (version) return version;
  throw new ClientError('Usage', `Unknown prompt version '${name}'. Known: ${PROMPT_VERSIONS.join(', ')}.`);
}
