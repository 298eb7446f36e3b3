/** From a recipe's section to the specification of a job on Ray, and what of it decides the trained weights. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../infra/environment.js';
import { checkClusterSupport } from '../../recipes/check-cluster-support.js';
import { DEFAULT_RAY, type Recipe, type RaySettings } from '../../recipes/schema.js';
import { UserError } from '../../workflows/errors.js';
import type { TrainInput } from '../interface.js';
import { optimizerOf } from '../training/optimizer-of.js';
import type { TrainingSpec } from './training-spec.js';

/** Packages whose version the job checks before it begins, by trainer; the others come with them. */
const CHECKED = ['torch', 'transformers', 'trl', 'peft', 'accelerate'];
const CHECKED_OF_VERL = ['torch', 'transformers', 'verl', 'tensordict', 'TransferQueue'];

/** Whether a stage is trained on Ray. A base that is made here is small, or imported: the worker sees to it. */
export function trainsOnRay({ recipe, stage }: Pick<TrainInput, 'recipe' | 'stage'>): boolean {
  return recipe.engine === 'ray' && stage !== 'base';
}

export function raySettings({ ray }: Pick<Recipe, 'ray'>): RaySettings {
  return ray ?? DEFAULT_RAY;
}

/** Settings that change the numbers, besides the stage's own section: how many nodes does not, nor how many CPUs. */
export function rayIdentity(recipe: Recipe): Record<string, unknown> {
  const { gpusPerNode, grpoTrainer, samplesPerDevice, packing, tensorParallel } = raySettings(recipe);
  return {
    engine: 'ray',
    precision: precisionOf(recipe),
    gpusPerNode,
    grpoTrainer,
    samplesPerDevice,
    packing: packing ?? false,
    tensorParallel,
  };
}

/** What weights are computed with. */
export function precisionOf(recipe: Recipe): 'float32' | 'bfloat16' {
  const { precision, gpusPerNode } = raySettings(recipe);
  return precision ?? (gpusPerNode > 0 ? 'bfloat16' : 'float32');
}

/**
 * The job of a stage.
 * @param model the model it starts from
 * @throws UserError `TrainerRefused` or `InvalidInput` naming the settings that do not go together.
 */
export function trainingSpec(
  { stage, seed, recipe, model, data }: TrainInput,
  { stageKey, attempt }: { stageKey: string; attempt: number },
): TrainingSpec {
  const ray = raySettings(recipe);
  if (stage === 'base' || !model) throw new Error('a base is not trained on Ray');
  const section = stage === 'reward' ? recipe.reward : recipe[stage];
  if (!section)
    throw new UserError('TrainerRefused', `Recipe '${recipe.name}' has no section ${stage}: add it.`);
  checkClusterSupport(recipe);
  const trainer = stage === 'grpo' ? ray.grpoTrainer : 'trl';
  const common = {
    format: 'rmr1-training/1' as const,
    stageKey,
    attempt,
    seed,
    model,
    data,
    checkpointEverySteps: section.checkpointEverySteps,
    optimizer: optimizerOf(section),
    ...(section.lora ? { lora: section.lora } : {}),
    // What `recipes/sizing` reckons with: without it no long sequence fits on a GPU.
    gradientCheckpointing: section.recompute ?? ray.gpusPerNode > 0,
    precision: precisionOf(recipe),
    nodes: ray.nodes,
    cpus: ray.cpusPerNode,
    gpus: ray.gpusPerNode,
    samplesPerDevice: ray.samplesPerDevice,
    packages:
      trainer === 'verl' ? lockedPackages(CHECKED_OF_VERL, 'verl-requirements.txt') : lockedPackages(CHECKED),
  };
  const { maxLength } = recipe.base.architecture;
  if (stage === 'grpo') {
    const { steps, promptsPerStep, groupSize, miniBatches, temperature, maxNewTokens } = recipe.grpo;
    const { clip, clipHigh, klCoefficient, topP, objective = 'grpo' } = recipe.grpo;
    if (objective === 'dapo') throw new Error('the schema refuses dapo on Ray');
    return {
      kind: 'grpo',
      ...common,
      trainer,
      ...{ steps, promptsPerStep, groupSize, miniBatches, temperature, maxNewTokens, clip, klCoefficient },
      clipHigh: clipHigh ?? clip,
      topP: topP ?? 1,
      objective,
      maxPromptTokens: maxLength - maxNewTokens,
      vllm: ray.gpusPerNode > 0,
      gpuMemoryForRollouts: ray.gpuMemoryForRollouts,
      tensorParallel: ray.tensorParallel,
    };
  }
  const { epochs, batchSize } = stage === 'reward' ? recipe.reward! : recipe.sft;
  if (stage === 'reward') return { kind: 'reward', ...common, epochs, batchSize, maxLength };
  return { kind: 'sft', ...common, epochs, batchSize, maxLength, packing: ray.packing ?? false };
}

/** Versions of packages in the lock file of a trainer's Python environment. */
export function lockedPackages(names: readonly string[], file = 'requirements.txt'): Record<string, string> {
  const lock = readFileSync(join(projectRoot(), 'infra', 'ray', file), 'utf8');
  return Object.fromEntries(
    names.map((name) => {
      const version = new RegExp(`^${name}==([^ \\\\\\n]+)`, 'mi').exec(lock)?.[1];
      if (!version) throw new Error(`infra/ray/${file} does not lock ${name}`);
      return [name, version];
    }),
  );
}
