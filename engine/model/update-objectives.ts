/** The objectives of `updateLoopGraph`: what a micro-batch brings, and the figures that it adds to those of its update. */
import { bradleyTerryLoss } from '../loss/bradley-terry.js';
import { grpoLoss, gspoLoss, type GrpoSettings } from '../loss/grpo.js';
import { supervisedLoss } from '../loss/supervised.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Tensors } from '../onnx/session.js';
import type { DType, Shape, Value } from '../onnx/types.js';
import type { BatchLayout, PreferenceBatch, SupervisedBatch, TokenBatch } from './batch.js';
import {
  grpoFeeds,
  gspoFeeds,
  supervisedFeeds,
  type RolloutBatch,
  type RolloutTotal,
} from './objective-feeds.js';
import { filledUp, preferenceInputs } from './preference-inputs.js';

/** The model's view of one micro-batch inside a graph. */
export interface ForwardPass {
  g: GraphBuilder;
  /** The inputs of this micro-batch by name. */
  inputs: Record<string, Value>;
  /** [positions] log-probability of each target under what is trained. */
  logprobs: () => Value;
  /** The same under the model that training started from; nothing is differentiated. */
  referenceLogprobs: () => Value;
  /** Scores of a reward model at `at` int64 [n]. */
  scores: (at: Value) => Value;
}

/** An objective inside a graph. */
export interface GraphObjective<Figure extends string = string> {
  /** Inputs of a micro-batch beside `tokens` and `segments`; `positions` is length · batch. */
  inputs: (positions: number) => Record<string, { dtype: DType; shape: Shape }>;
  /** Scalars, each a sum over micro-batches; the gradient is that of the loss. */
  figures: (pass: ForwardPass) => { loss: Value } & Record<Figure, Value>;
  /** Their names, in the order of the graph's outputs. */
  names: readonly ('loss' | Figure)[];
  /** Logits are divided by it. */
  temperature: number;
  /** Whether `referenceLogprobs` is used. */
  reference: boolean;
}

/** An objective and how batches become its inputs. `Total` is what a micro-batch must know of its optimiser batch. */
export interface Objective<
  Batch extends TokenBatch,
  Total,
  Figure extends string = never,
> extends GraphObjective<Figure> {
  /** The tensors of a micro-batch by the names of `inputs`, tokens and segments too. */
  feeds: (rows: BatchLayout, batch: Batch, total: Total) => Tensors;
}

const perToken = (positions: number) => ({ dtype: 'float32' as const, shape: [positions] });
const targets = (positions: number) => ({ dtype: 'int64' as const, shape: [positions] });

/** Negative log-likelihood; `Total` is the sum of the weights. */
export const supervisedObjective: Objective<SupervisedBatch, number> = {
  inputs: (positions) => ({ targets: targets(positions), weights: perToken(positions) }),
  figures: ({ g, inputs, logprobs }) => ({ loss: supervisedLoss(g, logprobs(), inputs['weights']!) }),
  names: ['loss'],
  temperature: 1,
  reference: false,
  feeds: supervisedFeeds,
};

/** An objective on rollouts; they share their figures. */
export type RolloutObjective<Total> = Objective<RolloutBatch, Total, 'kl' | 'clipShare'>;

/** GRPO and its forms with a ratio per token; `Total` is what the sum over tokens is divided by. */
export function grpoObjective(settings: GrpoSettings & { temperature: number }): RolloutObjective<number> {
  return {
    inputs: (positions) => ({
      targets: targets(positions),
      weights: perToken(positions),
      advantages: perToken(positions),
      oldLogprobs: perToken(positions),
    }),
    figures: ({ g, inputs, logprobs, referenceLogprobs }) =>
      grpoLoss(
        g,
        {
          logprobs: logprobs(),
          refLogprobs: referenceLogprobs(),
          oldLogprobs: inputs['oldLogprobs']!,
          advantages: inputs['advantages']!,
          weights: inputs['weights']!,
        },
        settings,
      ),
    names: ['loss', 'kl', 'clipShare'],
    temperature: settings.temperature,
    reference: true,
    feeds: grpoFeeds,
  };
}

/** GSPO. @param most completions of a micro-batch at most */
export function gspoObjective(
  settings: GrpoSettings & { temperature: number },
  most: number,
): RolloutObjective<RolloutTotal> {
  const count = filledUp(most);
  return {
    inputs: (positions) => ({
      targets: targets(positions),
      weights: perToken(positions),
      oldLogprobs: perToken(positions),
      members: { dtype: 'float32', shape: [count, positions] },
      sequenceAdvantages: { dtype: 'float32', shape: [count] },
      sequenceWeights: { dtype: 'float32', shape: [count] },
    }),
    figures: ({ g, inputs, logprobs, referenceLogprobs }) =>
      gspoLoss(
        g,
        {
          logprobs: logprobs(),
          refLogprobs: referenceLogprobs(),
          oldLogprobs: inputs['oldLogprobs']!,
          weights: inputs['weights']!,
        },
        {
          members: inputs['members']!,
          advantages: inputs['sequenceAdvantages']!,
          weights: inputs['sequenceWeights']!,
        },
        settings,
      ),
    names: ['loss', 'kl', 'clipShare'],
    temperature: settings.temperature,
    reference: true,
    feeds: (rows, batch, total) => gspoFeeds(rows, batch, total, count).feeds,
  };
}

/** Bradley–Terry; `Total` is the pairs of the optimiser batch. @param most pairs of a micro-batch at most */
export function rewardObjective(most: number): Objective<PreferenceBatch, number, 'margin' | 'accuracy'> {
  const count = filledUp(most);
  return {
    inputs: () => ({
      chosenAt: { dtype: 'int64', shape: [count] },
      rejectedAt: { dtype: 'int64', shape: [count] },
      weights: { dtype: 'float32', shape: [count] },
    }),
    figures: ({ g, inputs, scores }) => {
      const weights = inputs['weights']!;
      const margins = ops.sub(g, scores(inputs['chosenAt']!), scores(inputs['rejectedAt']!));
      const mean = (x: Value): Value => ops.reduceSum(g, ops.mul(g, x, weights), [0], false);
      return {
        loss: bradleyTerryLoss(g, margins, weights),
        margin: mean(margins),
        accuracy: mean(ops.cast(g, ops.greater(g, margins, 0), 'float32')),
      };
    },
    names: ['loss', 'margin', 'accuracy'],
    temperature: 1,
    reference: false,
    feeds: (rows, batch, pairs) => preferenceInputs(rows, batch, pairs, count).feeds,
  };
}
