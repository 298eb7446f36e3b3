/** Micro-batches as the inputs of graphs, one function per objective; all but the weights of the model. */
import type { Tensors } from '../onnx/session.js';
import type { BatchLayout, GrpoBatch, SupervisedBatch } from './batch.js';
import { sequenceInputs } from './sequence-inputs.js';

/** A batch of rollouts before the reference model has seen it. */
export type RolloutBatch = Omit<GrpoBatch, 'refLogprobs'>;

/** Completion tokens and completions of a whole optimiser batch. */
export interface RolloutTotal {
  tokens: number;
  sequences: number;
}

/**
 * Inputs of `supervisedGraph`, per token.
 * @param totalWeight sum of the weights of the whole optimiser batch
 */
export function supervisedFeeds(rows: BatchLayout, batch: SupervisedBatch, totalWeight: number): Tensors {
  return { ...rows.feeds(), weights: rows.perToken('weights', batch.weights, 1 / totalWeight) };
}

/**
 * Inputs of `grpoGraph` but the reference's log-probabilities, per token.
 * @param divisor what the sum over tokens is divided by: completion tokens of the whole optimiser batch, for GRPO
 */
export function grpoFeeds(rows: BatchLayout, batch: RolloutBatch, divisor: number): Tensors {
  return {
    ...rows.feeds(),
    weights: rows.perToken('weights', batch.weights, 1 / divisor),
    advantages: rows.perTokenOrRow('advantages', batch.advantages),
    oldLogprobs: rows.perToken('oldLogprobs', batch.oldLogprobs),
  };
}

/**
 * Inputs of `gspoGraph` but the reference's log-probabilities.
 * @param least completions that the graph has places for in any case
 * @returns the tensors, and the places that they have
 */
export function gspoFeeds(
  rows: BatchLayout,
  batch: RolloutBatch,
  total: RolloutTotal,
  least = 0,
): { count: number; feeds: Tensors } {
  const { count, ...sequences } = sequenceInputs(rows, batch, total.sequences, least);
  return {
    count,
    feeds: {
      ...rows.feeds(),
      ...sequences,
      weights: rows.perToken('weights', batch.weights, 1 / total.tokens),
      oldLogprobs: rows.perToken('oldLogprobs', batch.oldLogprobs),
    },
  };
}
