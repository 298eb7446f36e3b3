/** What the training stages of a recipe take on a cluster of GPUs: tokens, GPU hours, memory. Nothing of it was measured. */
import type { Recipe } from '../schema.js';
import { H100, worldSize, type Cluster } from './accelerator.js';
import { clusterOf, modelOf, startsFromBase } from './recipe-facts.js';
import { cacheBytesPerToken, parameterCount, type DecoderShape } from './decoder-shape.js';
import { engineWeightBytes, reinforcementMemory, supervisedMemory, type StageMemory } from './memory.js';
import { decodingSeconds, forwardSeconds, trainingSeconds } from './time.js';

/** Sequences that vLLM decodes together at most (its `max_num_seqs`). */
const MOST_SEQUENCES = 256;

/** Tokens of the texts, on average. Prompts are counted where the data is at hand. */
export interface Lengths {
  prompt: number;
  /** Of a trace, or of a rollout. */
  response: number;
}

/** Assumed where nothing is known; a judgement of the paper's models is some hundred tokens long, its limit 8,192. */
export const ASSUMED_LENGTHS: Lengths = { prompt: 1000, response: 800 };

export interface StageEstimate {
  stage: 'sft' | 'grpo';
  steps: number;
  /** Tokens that gradients are computed for, prompts included. */
  trainedTokens: number;
  /** Tokens that rollouts write. */
  writtenTokens: number;
  gpuHours: number;
  /** With all GPUs at work all the time. */
  hours: number;
  /** Every answer as long as the recipe allows. */
  atMostGpuHours: number;
  memory: StageMemory;
}

export interface TrainingEstimate {
  parameters: number;
  cluster: Cluster;
  stages: StageEstimate[];
  gpuHours: number;
  atMostGpuHours: number;
}

/**
 * Estimate the stages that train on GPUs.
 * @param pairs Training pairs at hand; caps what the recipe would take.
 * @returns undefined where the recipe does not train on GPUs, or the model's shape is not known.
 */
export function estimateTraining(
  recipe: Recipe,
  { lengths = ASSUMED_LENGTHS, pairs = Infinity }: { lengths?: Lengths; pairs?: number } = {},
): TrainingEstimate | undefined {
  const model = modelOf(recipe);
  const cluster = clusterOf(recipe);
  if (!model || !cluster || worldSize(cluster) === 0) return undefined;
  const stages = [
    ...(startsFromBase(recipe) ? [] : [supervised(recipe, model, cluster, lengths, pairs)]),
    reinforcement(recipe, model, cluster, lengths),
  ];
  const sum = (of: (stage: StageEstimate) => number) => stages.reduce((total, stage) => total + of(stage), 0);
  return {
    parameters: parameterCount(model),
    cluster,
    stages,
    gpuHours: sum((stage) => stage.gpuHours),
    atMostGpuHours: sum((stage) => stage.atMostGpuHours),
  };
}

function supervised(
  { sft, distill, base }: Recipe,
  model: DecoderShape,
  cluster: Cluster,
  { prompt, response }: Lengths,
  pairs: number,
): StageEstimate {
  const { maxLength } = base.architecture;
  const traces = Math.min(distill.pairs, pairs) * sft.epochs;
  const length = Math.min(maxLength, prompt + response);
  const gpuSeconds = (each: number) => trainingSeconds(model, traces * each, each);
  return {
    stage: 'sft',
    steps: Math.ceil(traces / sft.batchSize),
    trainedTokens: Math.round(traces * length),
    writtenTokens: 0,
    ...hours(gpuSeconds(length), gpuSeconds(maxLength), cluster),
    memory: supervisedMemory({ model, cluster, length: maxLength, lora: sft.lora }),
  };
}

function reinforcement(
  { grpo, base }: Recipe,
  model: DecoderShape,
  cluster: Cluster,
  assumed: Lengths,
): StageEstimate {
  const { maxLength } = base.architecture;
  const longest = { response: grpo.maxNewTokens, prompt: maxLength - grpo.maxNewTokens };
  const expected = {
    prompt: Math.min(assumed.prompt, longest.prompt),
    response: Math.min(assumed.response, longest.response),
  };
  const rollouts = grpo.steps * grpo.promptsPerStep * grpo.groupSize;
  const gpuSeconds = (lengths: Lengths) => grpoSeconds(model, cluster, grpo, lengths);
  return {
    stage: 'grpo',
    steps: grpo.steps,
    trainedTokens: Math.round(rollouts * (expected.prompt + expected.response)),
    writtenTokens: Math.round(rollouts * expected.response),
    ...hours(gpuSeconds(expected), gpuSeconds(longest), cluster),
    memory: reinforcementMemory({ model, cluster, length: maxLength, lora: grpo.lora }),
  };
}

/**
 * GPU seconds of GRPO: prompts are read once a group, rollouts decoded, log-probabilities computed by the policy and by
 * the reference, and gradients computed once for each rollout.
 */
function grpoSeconds(
  model: DecoderShape,
  cluster: Cluster,
  { steps, promptsPerStep, groupSize, klCoefficient }: Recipe['grpo'],
  { prompt, response }: Lengths,
): number {
  const rollouts = steps * promptsPerStep * groupSize;
  const length = prompt + response;
  const engines = worldSize(cluster) / cluster.tensorParallel;
  // A rollout is half written on average.
  const held = prompt + response / 2;
  const cache = cluster.gpuMemoryForRollouts * H100.memoryBytes - engineWeightBytes(model, cluster);
  const fitting = Math.floor((cache * cluster.tensorParallel) / (held * cacheBytesPerToken(model)));
  const share = Math.ceil((promptsPerStep * groupSize) / engines);
  const sequences = Math.max(1, Math.min(MOST_SEQUENCES, fitting, share));
  const read = forwardSeconds(model, steps * promptsPerStep * prompt, prompt);
  const written = decodingSeconds(model, cluster, { tokens: rollouts * response, sequences, length: held });
  const scored = forwardSeconds(model, rollouts * length * (klCoefficient > 0 ? 2 : 1), length);
  return read + written + scored + trainingSeconds(model, rollouts * length, length);
}

function hours(expected: number, atMost: number, cluster: Cluster) {
  const gpuHours = expected / 3600;
  return { gpuHours, hours: gpuHours / worldSize(cluster), atMostGpuHours: atMost / 3600 };
}
