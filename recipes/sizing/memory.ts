/** Memory of one GPU while a stage trains: parameters, activations, logits, rollouts. Bytes throughout. */
import { H100, worldSize, type Cluster } from './accelerator.js';
import {
  adapterParameters,
  cacheBytesPerToken,
  layerParameters,
  parameterCount,
  type DecoderShape,
} from './decoder-shape.js';

/** Weights, gradients and Adam's two moments with a float32 master copy (ZeRO, Rajbhandari et al. 2020, section 3.1). */
const BYTES_TRAINED = 16;
/** A frozen weight in bf16. */
const BYTES_FROZEN = 2;
/** A weight of the reference policy, which verl shards in float32. */
const BYTES_REFERENCE = 4;
/** Of one layer that is recomputed: 34·s·h without the attention matrix (Korthikanti et al. 2022, equation 2). */
const BYTES_LAYER_ACTIVATIONS = 34;
/** A logit and its gradient in float32. */
const BYTES_LOGIT = 8;
/** CUDA context, communication buffers, fragmentation; assumed. */
const FIXED_BYTES = 4e9;

export interface StageMemory {
  /** The larger of the two phases. */
  bytes: number;
  training: number;
  /** While rollouts are drawn; absent for stages without any. */
  rollouts?: number;
  /** Sequences of full length whose keys and values fit beside the weights of one rollout engine. */
  sequencesAtOnce?: number;
}

export interface StageShape {
  model: DecoderShape;
  cluster: Cluster;
  /** Longest sequence, tokens. */
  length: number;
  lora?: { rank: number; targets: readonly string[] } | undefined;
}

/** Parameters, gradients and optimiser, sharded over all GPUs (ZeRO stage 3, FSDP full shard). */
export function stateBytes({ model, cluster, lora }: Omit<StageShape, 'length'>): number {
  const all = parameterCount(model);
  const bytes = lora
    ? BYTES_FROZEN * all + BYTES_TRAINED * adapterParameters(model, lora)
    : BYTES_TRAINED * all;
  return bytes / worldSize(cluster);
}

/**
 * A forward and backward pass with every layer recomputed: 2·s·h·L bytes of checkpoints and one layer's activations
 * (Korthikanti et al. 2022, section 5), the logits, and two gathered layers.
 */
function passBytes({ model, cluster, length }: Omit<StageShape, 'lora'>): number {
  const tokens = length * cluster.samplesPerDevice;
  const { hiddenSize, layers, vocabulary } = model;
  const checkpoints = 2 * tokens * hiddenSize * layers;
  const layer = BYTES_LAYER_ACTIVATIONS * tokens * hiddenSize;
  const gathered = 2 * BYTES_FROZEN * layerParameters(model);
  return checkpoints + layer + gathered + BYTES_LOGIT * tokens * vocabulary;
}

/** Supervised fine-tuning. */
export function supervisedMemory(stage: StageShape): StageMemory {
  const training = FIXED_BYTES + stateBytes(stage) + passBytes(stage);
  return { bytes: training, training };
}

/**
 * GRPO with rollouts on the same GPUs (verl's hybrid engine): the policy's state and the sharded reference stay, and the
 * rollout engine takes its share of the memory beside them.
 */
export function reinforcementMemory(stage: StageShape): StageMemory {
  const { model, cluster, length } = stage;
  // An adapter's reference is the model without it.
  const reference = stage.lora ? 0 : (BYTES_REFERENCE * parameterCount(model)) / worldSize(cluster);
  const held = FIXED_BYTES + stateBytes(stage) + reference;
  const training = held + passBytes(stage);
  const engine = cluster.gpuMemoryForRollouts * H100.memoryBytes;
  const rollouts = held + engine;
  const cache = engine - engineWeightBytes(model, cluster);
  const perSequence = (length * cacheBytesPerToken(model)) / cluster.tensorParallel;
  return {
    bytes: Math.max(training, rollouts),
    training,
    rollouts,
    sequencesAtOnce: Math.max(0, Math.floor(cache / perSequence)),
  };
}

/** The rollout engine's copy of the weights on each of its GPUs, in bf16. */
export function engineWeightBytes(model: DecoderShape, { tensorParallel }: Pick<Cluster, 'tensorParallel'>) {
  return (2 * parameterCount(model)) / tensorParallel;
}
