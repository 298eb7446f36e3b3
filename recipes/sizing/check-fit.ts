/** What cannot fit is refused before anything is spent, with the field to change and a value that does fit. */
import { UserError } from '../../workflows/errors.js';
import type { Recipe } from '../schema.js';
import { judgeServerOf } from '../judge-server.js';
import { H100, worldSize, type Cluster } from './accelerator.js';
import { cacheBytesPerToken, parameterCount, type DecoderShape } from './decoder-shape.js';
import { engineWeightBytes, reinforcementMemory, supervisedMemory, type StageMemory } from './memory.js';
import { clusterOf, modelOf, startsFromBase } from './recipe-facts.js';

/** Larger clusters are not looked through for one that fits. */
const MOST_NODES = 64;

/**
 * Refuse a recipe that cannot run on its cluster.
 * @throws UserError `InvalidInput` with every reason: field, figures, fix. Unknown models are not judged.
 */
export function checkFit(recipe: Recipe): void {
  const cluster = clusterOf(recipe);
  const model = modelOf(recipe);
  if (!cluster) return;
  const problems = [
    ...lengthProblems(recipe, model),
    ...batchProblems(recipe, cluster),
    ...(model ? modelProblems(recipe, model, cluster) : []),
  ];
  if (problems.length > 0) {
    throw new UserError('InvalidInput', `Recipe '${recipe.name}' cannot fit: ${problems.join('; ')}.`);
  }
}

function lengthProblems({ base, grpo }: Recipe, model: DecoderShape | undefined): string[] {
  const { maxLength } = base.architecture;
  const problems: string[] = [];
  if (grpo.maxNewTokens >= maxLength) {
    problems.push(
      `grpo.maxNewTokens: ${grpo.maxNewTokens} leave no room for a prompt within base.architecture.maxLength ${maxLength}; ` +
        'lower the one or raise the other',
    );
  }
  if (model && maxLength > model.longest) {
    problems.push(
      `base.architecture.maxLength: ${maxLength} is beyond the ${model.longest} positions of the model; lower it`,
    );
  }
  return problems;
}

/** Every optimiser step takes the same number of samples on every GPU. */
function batchProblems(recipe: Recipe, cluster: Cluster): string[] {
  const { sft, grpo } = recipe;
  const gpus = worldSize(cluster);
  if (gpus === 0) return [];
  const problems: string[] = [];
  const share = gpus * cluster.samplesPerDevice;
  if (!startsFromBase(recipe) && sft.batchSize % share !== 0) {
    problems.push(
      `sft.batchSize: ${sft.batchSize} samples cannot be dealt out evenly to ${gpus} GPUs × ray.samplesPerDevice ` +
        `${cluster.samplesPerDevice}; give a multiple of ${share}`,
    );
  }
  const update = (grpo.promptsPerStep * grpo.groupSize) / grpo.miniBatches;
  if (!Number.isInteger(update) || update % share !== 0) {
    problems.push(
      `grpo.promptsPerStep: ${grpo.promptsPerStep} prompts × groupSize ${grpo.groupSize} in ${grpo.miniBatches} mini-batches ` +
        `cannot be dealt out evenly to ${gpus} GPUs × ray.samplesPerDevice ${cluster.samplesPerDevice}; ` +
        `give a multiple of ${share * grpo.miniBatches}`,
    );
  }
  return problems;
}

function modelProblems(recipe: Recipe, model: DecoderShape, cluster: Cluster): string[] {
  const gpus = worldSize(cluster);
  if (gpus === 0) {
    const billions = (parameterCount(model) / 1e9).toFixed(1);
    return [
      `ray.gpusPerNode: ${billions} billion parameters are not trained on CPUs; give the GPUs of a node, such as 8`,
    ];
  }
  return [
    ...parallelProblems(model, cluster),
    ...(startsFromBase(recipe) ? [] : memoryProblem('sft', recipe, model, cluster)),
    ...memoryProblem('grpo', recipe, model, cluster),
    ...engineProblem(recipe, model, cluster),
    ...serverProblems(recipe, model, cluster),
  ];
}

/** vLLM's default of `--gpu-memory-utilization`. */
const SERVER_SHARE = 0.9;

/** The judge's server holds the whole model and at least one sequence; sized like a rollout engine where nothing is said. */
function serverProblems(recipe: Recipe, model: DecoderShape, cluster: Cluster): string[] {
  const server = judgeServerOf(recipe);
  if (!server || !recipe.ray?.judgeServer) return [];
  if (server.gpus === 0)
    return ['ray.judgeServer.gpus: a model of this size is not served from CPUs; give 1 or more'];
  const split = parallelProblems(model, { ...cluster, tensorParallel: server.gpus }, 'ray.judgeServer.gpus');
  const needed = engineBytes(model, server.maxModelLen, server.gpus);
  const room = SERVER_SHARE * H100.memoryBytes;
  if (split.length > 0 || needed <= room) return split;
  return [
    `ray.judgeServer.gpus: the weights and one sequence of ${server.maxModelLen} tokens take ${gigabytes(needed)} of the ` +
      `${gigabytes(room)} that vLLM takes of each of ${server.gpus} GPUs; raise it`,
  ];
}

/** A rollout engine splits heads evenly, and lies within one node. */
function parallelProblems(
  { heads, kvHeads }: DecoderShape,
  { tensorParallel, gpusPerNode }: Cluster,
  field = 'ray.tensorParallel',
) {
  const fits = (gpus: number) => heads % gpus === 0 && kvHeads % gpus === 0 && gpusPerNode % gpus === 0;
  if (fits(tensorParallel)) return [];
  const possible = Array.from({ length: gpusPerNode }, (_, index) => index + 1).filter(fits);
  return [
    `${field}: ${heads} heads and ${kvHeads} key-value heads on nodes of ${gpusPerNode} GPUs cannot be split ` +
      `${tensorParallel} ways; possible: ${possible.join(', ')}`,
  ];
}

function memoryOf(stage: 'sft' | 'grpo', { sft, grpo, base }: Recipe, model: DecoderShape, cluster: Cluster) {
  const shape = { model, cluster, length: base.architecture.maxLength };
  return stage === 'sft'
    ? supervisedMemory({ ...shape, lora: sft.lora })
    : reinforcementMemory({ ...shape, lora: grpo.lora });
}

function memoryProblem(
  stage: 'sft' | 'grpo',
  recipe: Recipe,
  model: DecoderShape,
  cluster: Cluster,
): string[] {
  const memory = memoryOf(stage, recipe, model, cluster);
  if (memory.bytes <= H100.memoryBytes) return [];
  const nodes = Array.from({ length: MOST_NODES - cluster.nodes }, (_, index) => cluster.nodes + index + 1);
  const enough = nodes.find((count) => {
    const larger = { ...cluster, nodes: count };
    return (
      memoryOf(stage, recipe, model, larger).bytes <= H100.memoryBytes &&
      batchProblems(recipe, larger).length === 0
    );
  });
  return [
    `${fieldToBlame(memory, enough)}: ${stage} needs ${gigabytes(memory.bytes)} of ${gigabytes(H100.memoryBytes)} on each ` +
      `of ${cluster.nodes} × ${cluster.gpusPerNode} GPUs; ${fix(stage, memory, enough)}`,
  ];
}

function fieldToBlame({ training, rollouts = 0 }: StageMemory, nodes: number | undefined): string {
  if (nodes !== undefined) return 'ray.nodes';
  return rollouts > training ? 'ray.gpuMemoryForRollouts' : 'base.architecture.maxLength';
}

function fix(
  stage: 'sft' | 'grpo',
  { training, rollouts = 0 }: StageMemory,
  nodes: number | undefined,
): string {
  if (nodes !== undefined) return `${nodes} nodes would do, or adapters (${stage}.lora)`;
  return rollouts > training
    ? 'lower it'
    : 'lower it, or ray.samplesPerDevice: no number of nodes makes room for one sample';
}

/** The rollout engine holds the whole model and at least one sequence in its share of the memory. */
function engineProblem({ base }: Recipe, model: DecoderShape, cluster: Cluster): string[] {
  const { maxLength } = base.architecture;
  const engine = cluster.gpuMemoryForRollouts * H100.memoryBytes;
  const needed = (ways: number) => engineBytes(model, maxLength, ways);
  if (needed(cluster.tensorParallel) <= engine) return [];
  const wider = [2, 4, 8].find((ways) => ways > cluster.tensorParallel && needed(ways) <= engine);
  return [
    `ray.tensorParallel: the weights and one sequence take ${gigabytes(needed(cluster.tensorParallel))} of the ` +
      `${gigabytes(engine)} that ray.gpuMemoryForRollouts leaves to a rollout engine; ` +
      (wider === undefined ? 'raise ray.gpuMemoryForRollouts' : `split the model ${wider} ways`),
  ];
}

/** On each of the GPUs that hold a copy of the model: its weights, and the keys and values of one sequence. */
function engineBytes(model: DecoderShape, length: number, ways: number): number {
  return engineWeightBytes(model, { tensorParallel: ways }) + (length * cacheBytesPerToken(model)) / ways;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(0)} GB`;
}
