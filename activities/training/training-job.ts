/** From a recipe's section to the engine's job, and to the identity of the stage. */
import type { EngineJob, GrpoJob, RewardJob, SupervisedJob } from '../../engine/job.js';
import type { Recipe, ScratchBase } from '../../recipes/schema.js';
import { UserError } from '../../workflows/errors.js';
import type { TrainInput } from '../interface.js';
import { rayIdentity, trainsOnRay } from '../ray/make-spec.js';
import type { StageIdentity } from '../stage.js';
import { VERSIONS } from '../versions.js';
import { optimizerOf } from './optimizer-of.js';

/** What determines the trained weights. How often checkpoints are written does not, nor do threads. */
export function trainingIdentity({ stage, seed, recipe, model, tokenizer, data }: TrainInput): StageIdentity {
  const section = sectionOf(recipe, stage);
  const { checkpointEverySteps: _, ...ofStage } = section;
  // Other devices and engines round otherwise.
  const onRay = trainsOnRay({ recipe, stage });
  const settings = {
    ...ofStage,
    ...(recipe.device ? { device: recipe.device } : {}),
    ...(onRay ? rayIdentity(recipe) : {}),
  };
  return {
    stage,
    inputs: { data, ...(model ? { model } : {}), ...(tokenizer ? { tokenizer } : {}) },
    settings: stage === 'base' ? settings : { ...settings, context: recipe.base.architecture.maxLength },
    versions: onRay ? { ray: VERSIONS.ray } : { engine: VERSIONS.engine },
    seed,
  };
}

/** Local directories of a job. */
export interface JobPaths {
  model: string;
  data: string;
  output: string;
  resumeFrom?: string;
}

/** The engine job of a stage. */
export function engineJob({ stage, seed, recipe }: TrainInput, paths: JobPaths): EngineJob {
  const { maxLength } = recipe.base.architecture;
  const section = sectionOf(recipe, stage);
  const common = {
    seed,
    data: paths.data,
    outputDir: paths.output,
    threads: recipe.threads,
    ...(recipe.device ? { device: recipe.device } : {}),
    checkpointEverySteps: section.checkpointEverySteps,
    optimizer: optimizerOf(section),
    ...memoryOf(section),
    ...(paths.resumeFrom ? { resumeFrom: paths.resumeFrom } : {}),
  };
  if (stage === 'grpo') {
    const { steps, promptsPerStep, groupSize, miniBatches, temperature, maxNewTokens, clip, klCoefficient } =
      recipe.grpo;
    const { objective, clipHigh, maxDraws, topP } = recipe.grpo;
    return {
      kind: 'grpo',
      ...common,
      model: { from: 'directory', path: paths.model },
      steps,
      promptsPerStep,
      groupSize,
      miniBatches,
      temperature,
      maxNewTokens,
      clip,
      klCoefficient,
      ...(objective === undefined ? {} : { objective }),
      ...(clipHigh === undefined ? {} : { clipHigh }),
      ...(maxDraws === undefined ? {} : { maxDraws }),
      ...(topP === undefined ? {} : { topP }),
      maxPromptTokens: maxLength - maxNewTokens,
    } satisfies GrpoJob;
  }
  if (stage === 'reward') {
    const { epochs, batchSize } = rewardSection(recipe);
    return {
      kind: 'reward',
      ...common,
      model: { from: 'directory', path: paths.model },
      epochs,
      batchSize,
      maxLength,
    } satisfies RewardJob;
  }
  if (stage === 'sft') {
    const { epochs, batchSize } = recipe.sft;
    return {
      kind: 'supervised',
      ...common,
      model: { from: 'directory', path: paths.model },
      epochs,
      batchSize,
      maxLength,
      promptLossWeight: 0,
    } satisfies SupervisedJob;
  }
  const { architecture, epochs, batchSize, promptLossWeight } = scratchBase(recipe);
  return {
    kind: 'supervised',
    ...common,
    model: {
      from: 'init',
      architecture: { ...architecture, ropeTheta: 10_000, normEpsilon: 1e-5, tieEmbeddings: true },
      tokenizerDir: paths.model,
    },
    epochs,
    batchSize,
    maxLength,
    promptLossWeight,
  } satisfies SupervisedJob;
}

type Section = ScratchBase | Recipe['sft'] | Recipe['grpo'] | NonNullable<Recipe['reward']>;

/** A base that is made here; a pretrained one is imported and never gets this far. */
function scratchBase({ base }: Recipe): ScratchBase {
  if (base.kind === 'pretrained') throw new Error('a pretrained base is not trained');
  return base;
}

/** @throws UserError `InvalidInput` where the recipe says nothing about reward models. */
function rewardSection({ name, reward }: Recipe): NonNullable<Recipe['reward']> {
  if (reward) return reward;
  throw new UserError(
    'InvalidInput',
    `Recipe '${name}' has no section reward: set at least reward.batchSize and reward.learningRate.`,
  );
}

function sectionOf(recipe: Recipe, stage: TrainInput['stage']): Section {
  if (stage === 'base') return scratchBase(recipe);
  return stage === 'reward' ? rewardSection(recipe) : recipe[stage];
}

/** How the training fits into memory; only what the recipe sets, so that other jobs stay what they were. */
function memoryOf(section: Section): Pick<SupervisedJob, 'lora' | 'recompute' | 'microBatchTokens'> {
  if (!('lora' in section || 'recompute' in section || 'microBatchTokens' in section)) return {};
  const { lora, recompute, microBatchTokens } = section;
  return {
    ...(lora ? { lora } : {}),
    ...(recompute === undefined ? {} : { recompute }),
    ...(microBatchTokens === undefined ? {} : { microBatchTokens }),
  };
}
