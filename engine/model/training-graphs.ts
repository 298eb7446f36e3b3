/** The graphs that training runs: one per objective and static shape. */
import { gradients } from '../autodiff/gradients.js';
import type { GrpoSettings } from '../loss/grpo.js';
import { bradleyTerryLoss, scoresAt } from '../loss/bradley-terry.js';
import { grpoLoss, gspoLoss } from '../loss/grpo.js';
import { supervisedLoss } from '../loss/supervised.js';
import { tokenLogprobs } from '../loss/token-logprobs.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';
import type { SequenceShape } from './decoder.js';
import { decoderHidden } from './decoder.js';
import type { TrainedModel } from './trained-model.js';
import type { ParameterInputs } from './weights.js';
import { parameterInputs } from './weights.js';

export interface GraphShape extends SequenceShape {
  /** Whether rows are packed: adds the input `segments`. */
  packed: boolean;
  /** Logits are divided by it. */
  temperature: number;
}

interface Trunk {
  g: GraphBuilder;
  weights: ParameterInputs;
  /** [length·batch], time-major: log-probability of each target. */
  logprobs: Value;
  perToken: (name: string) => Value;
}

/** Inputs `tokens` int64 [length·batch], `segments` where packed, and every parameter by name. */
function hiddenStates(name: string, model: TrainedModel, shape: GraphShape) {
  const g = new GraphBuilder(name);
  const rows = shape.length * shape.batch;
  const weights = parameterInputs(g, model);
  const tokens = g.input('tokens', 'int64', [rows]);
  const segments = shape.packed ? g.input('segments', 'float32', [shape.batch, shape.length]) : undefined;
  return { g, rows, weights, hidden: decoderHidden(g, model, weights, tokens, shape, segments) };
}

/** Inputs of `hiddenStates` and `targets` int64 [length·batch]. */
function trunk(name: string, model: TrainedModel, shape: GraphShape, frozenHead: boolean): Trunk {
  const { g, rows, weights, hidden } = hiddenStates(name, model, shape);
  if (!weights.head) throw new Error('a reward model predicts no tokens');
  const targets = g.input('targets', 'int64', [rows]);
  const { temperature } = shape;
  const logprobs = tokenLogprobs(g, hidden, weights.head, targets, { temperature, frozenHead });
  return { g, weights, logprobs, perToken: (input) => g.input(input, 'float32', [rows]) };
}

/** Adds the gradient of every trained parameter as output `grad.<name>`. */
function outputGradients({ g, weights }: Pick<Trunk, 'g' | 'weights'>, loss: Value): void {
  gradients(g, loss, weights.trained).forEach((gradient, i) =>
    g.output(`grad.${weights.trained[i]!.name}`, gradient),
  );
}

/** Forward only: output `logprobs` [length·batch]. */
export function logprobGraph(model: TrainedModel, shape: GraphShape): GraphBuilder {
  const { g, logprobs } = trunk('logprobs', { ...model, recompute: false }, shape, false);
  g.output('logprobs', logprobs);
  return g;
}

/** Input `weights`; outputs `loss` and the gradients. */
export function supervisedGraph(model: TrainedModel, shape: GraphShape): GraphBuilder {
  const built = trunk('supervised', model, shape, model.adapter !== undefined);
  const loss = supervisedLoss(built.g, built.logprobs, built.perToken('weights'));
  built.g.output('loss', loss);
  outputGradients(built, loss);
  return built.g;
}

/** Inputs `weights`, `advantages`, `oldLogprobs`, `refLogprobs`; outputs `loss`, `kl`, `clipShare` and the gradients. */
export function grpoGraph(model: TrainedModel, shape: GraphShape, settings: GrpoSettings): GraphBuilder {
  const built = trunk('grpo', model, shape, model.adapter !== undefined);
  const { loss, kl, clipShare } = grpoLoss(
    built.g,
    {
      logprobs: built.logprobs,
      oldLogprobs: built.perToken('oldLogprobs'),
      refLogprobs: built.perToken('refLogprobs'),
      advantages: built.perToken('advantages'),
      weights: built.perToken('weights'),
    },
    settings,
  );
  built.g.output('loss', loss);
  built.g.output('kl', kl);
  built.g.output('clipShare', clipShare);
  outputGradients(built, loss);
  return built.g;
}

/**
 * Inputs `weights`, `oldLogprobs`, `refLogprobs` per token; `members` [sequences, rows], `sequenceAdvantages` and
 * `sequenceWeights` [sequences]; outputs as `grpoGraph`.
 */
export function gspoGraph(
  model: TrainedModel,
  shape: GraphShape,
  settings: GrpoSettings,
  sequences: number,
): GraphBuilder {
  const built = trunk('gspo', model, shape, model.adapter !== undefined);
  const { g, logprobs, perToken } = built;
  const { loss, kl, clipShare } = gspoLoss(
    g,
    {
      logprobs,
      oldLogprobs: perToken('oldLogprobs'),
      refLogprobs: perToken('refLogprobs'),
      weights: perToken('weights'),
    },
    {
      members: g.input('members', 'float32', [sequences, shape.length * shape.batch]),
      advantages: g.input('sequenceAdvantages', 'float32', [sequences]),
      weights: g.input('sequenceWeights', 'float32', [sequences]),
    },
    settings,
  );
  g.output('loss', loss);
  g.output('kl', kl);
  g.output('clipShare', clipShare);
  outputGradients(built, loss);
  return g;
}

/** Reward models, forward only: input `at` int64 [count], output `scores` [count]. */
export function scoreGraph(model: TrainedModel, shape: GraphShape, count: number): GraphBuilder {
  const { g, weights, hidden } = hiddenStates('scores', { ...model, recompute: false }, shape);
  g.output('scores', scoresAt(g, hidden, g.input('at', 'int64', [count]), scoreOf(weights)));
  return g;
}

/** Inputs `chosenAt`, `rejectedAt` int64 [count] and `weights` [count]; outputs `loss`, `margins` [count], gradients. */
export function rewardGraph(model: TrainedModel, shape: GraphShape, count: number): GraphBuilder {
  const built = hiddenStates('reward', model, shape);
  const { g, weights, hidden } = built;
  const scores = (name: string): Value =>
    scoresAt(g, hidden, g.input(name, 'int64', [count]), scoreOf(weights));
  const margins = ops.sub(g, scores('chosenAt'), scores('rejectedAt'));
  const loss = bradleyTerryLoss(g, margins, g.input('weights', 'float32', [count]));
  g.output('loss', loss);
  g.output('margins', margins);
  outputGradients(built, loss);
  return g;
}

function scoreOf({ score }: ParameterInputs): Value {
  if (!score) throw new Error('only a reward model gives scores');
  return score;
}
