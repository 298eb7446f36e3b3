/** From a recipe's section to the engine's job, and to the identity of the stage. */
import type { EngineJob, GrpoJob, SupervisedJob } from '../../engine/job.js';
import type { Recipe } from '../../recipes/schema.js';
import type { TrainInput } from '../interface.js';
import type { StageIdentity } from '../stage.js';
import { VERSIONS } from '../versions.js';

/** What determines the trained weights. How often checkpoints are written does not, nor do threads. */
export function trainingIdentity({ stage, seed, recipe, model, tokenizer, data }: TrainInput): StageIdentity {
  const { checkpointEverySteps: _, ...settings } = recipe[stage];
  return {
    stage,
    inputs: { data, ...(model ? { model } : {}), ...(tokenizer ? { tokenizer } : {}) },
    settings: stage === 'base' ? settings : { ...settings, context: recipe.base.architecture.maxLength },
    versions: { engine: VERSIONS.engine },
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
  const { architecture } = recipe.base;
  const section = recipe[stage];
  const common = {
    seed,
    data: paths.data,
    outputDir: paths.output,
    threads: recipe.threads,
    checkpointEverySteps: section.checkpointEverySteps,
    optimizer: optimizerOf(section),
    ...(paths.resumeFrom ? { resumeFrom: paths.resumeFrom } : {}),
  };
  if (stage === 'grpo') {
    const { steps, promptsPerStep, groupSize, miniBatches, temperature, maxNewTokens, clip, klCoefficient } =
      recipe.grpo;
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
      maxPromptTokens: architecture.maxLength - maxNewTokens,
    } satisfies GrpoJob;
  }
  const { epochs, batchSize } = recipe[stage];
  return {
    kind: 'supervised',
    ...common,
    model:
      stage === 'base'
        ? {
            from: 'init',
            architecture: { ...architecture, ropeTheta: 10_000, normEpsilon: 1e-5, tieEmbeddings: true },
            tokenizerDir: paths.model,
          }
        : { from: 'directory', path: paths.model },
    epochs,
    batchSize,
    maxLength: architecture.maxLength,
    promptLossWeight: stage === 'base' ? recipe.base.promptLossWeight : 0,
  } satisfies SupervisedJob;
}

function optimizerOf(section: Recipe['base'] | Recipe['sft'] | Recipe['grpo']): SupervisedJob['optimizer'] {
  const { learningRate, schedule, warmupSteps, flatShare, finalShare, weightDecay, gradClip } = section;
  return {
    learningRate,
    schedule,
    warmupSteps,
    flatShare,
    finalShare,
    weightDecay,
    gradClip,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
  };
}
