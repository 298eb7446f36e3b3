/** The graphs that training runs: one per objective and static shape. */
import { gradients } from '../autodiff/gradients.js';
import type { GrpoSettings } from '../loss/grpo.js';
import { grpoLoss } from '../loss/grpo.js';
import { supervisedLoss } from '../loss/supervised.js';
import { tokenLogprobs } from '../loss/token-logprobs.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import type { Value } from '../onnx/types.js';
import type { SequenceShape } from './decoder.js';
import { decoderHidden } from './decoder.js';
import type { ParameterLayout } from './parameters.js';
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

/** Inputs `tokens`, `targets` int64 [length·batch], `segments` where packed, and every parameter by name. */
function trunk(name: string, layout: ParameterLayout, shape: GraphShape): Trunk {
  const g = new GraphBuilder(name);
  const rows = shape.length * shape.batch;
  const weights = parameterInputs(g, layout);
  const tokens = g.input('tokens', 'int64', [rows]);
  const targets = g.input('targets', 'int64', [rows]);
  const segments = shape.packed ? g.input('segments', 'float32', [shape.batch, shape.length]) : undefined;
  const hidden = decoderHidden(g, layout.config, weights, tokens, shape, segments);
  const logprobs = tokenLogprobs(g, hidden, weights.head, targets, { temperature: shape.temperature });
  return { g, weights, logprobs, perToken: (input) => g.input(input, 'float32', [rows]) };
}

/** Adds the gradient of every parameter as output `grad.<name>`. */
function outputGradients({ g, weights }: Trunk, loss: Value): void {
  gradients(g, loss, weights.all).forEach((gradient, i) =>
    g.output(`grad.${weights.all[i]!.name}`, gradient),
  );
}

/** Forward only: output `logprobs` [length·batch]. */
export function logprobGraph(layout: ParameterLayout, shape: GraphShape): GraphBuilder {
  const { g, logprobs } = trunk('logprobs', layout, shape);
  g.output('logprobs', logprobs);
  return g;
}

/** Input `weights`; outputs `loss` and the gradients. */
export function supervisedGraph(layout: ParameterLayout, shape: GraphShape): GraphBuilder {
  const built = trunk('supervised', layout, shape);
  const loss = supervisedLoss(built.g, built.logprobs, built.perToken('weights'));
  built.g.output('loss', loss);
  outputGradients(built, loss);
  return built.g;
}

/** Inputs `weights`, `advantages`, `oldLogprobs`, `refLogprobs`; outputs `loss`, `kl`, `clipShare` and the gradients. */
export function grpoGraph(layout: ParameterLayout, shape: GraphShape, settings: GrpoSettings): GraphBuilder {
  const built = trunk('grpo', layout, shape);
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
