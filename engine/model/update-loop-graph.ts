/**
 * Optimiser updates in a row as one graph, for devices that do not share the host's memory: frozen weights are part of
 * the graph, a `Loop` goes through the updates and one inside it through their micro-batches, and only what is trained
 * comes in and goes out.
 */
import { gradients } from '../autodiff/gradients.js';
import { scoresAt } from '../loss/bradley-terry.js';
import { tokenLogprobs } from '../loss/token-logprobs.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import { UNKNOWN, type DType, type Value } from '../onnx/types.js';
import { adamStep, clipping, decayParts, type AdamSettings } from '../optimizer/adamw.js';
import { decoderHidden, type SequenceShape } from './decoder.js';
import { view, type FlatLayout, type ParameterEntry } from './parameters.js';
import { trainables, type TrainedModel } from './trained-model.js';
import type { GraphObjective } from './update-objectives.js';
import { parametersFrom, type ParameterInputs } from './weights.js';

type State = Record<'p' | 'm' | 'v', Value>;

/**
 * Inputs: the state `p`, `m`, `v` [size]; `updates` (how many); per update `first` and `count` of its micro-batches,
 * `stepSize`, `epsilon`, `keep`; per micro-batch `tokens` [·, length·batch], `segments` [·, batch, length] and those of
 * the objective. Outputs: the state as `new.p`, `new.m`, `new.v`, and per update the objective's figures and `norm`.
 * @param start the decoder's weights that training starts from: needed where adapters are trained on them, or where the
 *   objective has a reference model
 */
export function updateLoopGraph(
  model: TrainedModel,
  shape: SequenceShape,
  adam: AdamSettings,
  objective: GraphObjective,
  start?: Float32Array,
): GraphBuilder {
  const g = new GraphBuilder('updates');
  const layout = trainables(model);
  const rows = shape.length * shape.batch;
  const state = ['p', 'm', 'v'].map((name) => g.input(name, 'float32', [layout.size]));
  const input = (name: string, dtype: DType, each: readonly number[] = []): Value =>
    g.input(name, dtype, [UNKNOWN, ...each]);
  const updates = g.input('updates', 'int64', []);
  const spans = { first: input('first', 'int64'), count: input('count', 'int64') };
  const scalars = ['stepSize', 'epsilon', 'keep'].map((name) => input(name, 'float32'));
  const batches = {
    tokens: input('tokens', 'int64', [rows]),
    segments: input('segments', 'float32', [shape.batch, shape.length]),
    ...Object.fromEntries(
      Object.entries(objective.inputs(rows)).map(([name, { dtype, shape: each }]) => [
        name,
        input(name, dtype, each),
      ]),
    ),
  };
  const held = new Map(
    start
      ? model.layout.entries.map((entry) => [entry, g.constant('float32', entry.shape, view(start, entry))])
      : [],
  );
  const fixed = (entry: ParameterEntry): Value => {
    const value = held.get(entry);
    if (!value) throw new Error('the graph needs the weights that training starts from');
    return value;
  };

  const { carried, scans } = g.loop(updates, null, state, (body, update, _cond, [p, m, v]) => {
    const at = (values: Value): Value => ops.gather(body, values, update);
    const parts = separate(body, layout, p!);
    const weights = parametersFrom(model, (entry) => parts.get(entry) ?? fixed(entry));
    const first = at(spans.first);
    const zeros = ops.expand(body, body.constant('float32', [1], [0]), [layout.size]);
    const micro = body.loop(
      at(spans.count),
      null,
      [...objective.names.map(() => body.scalar(0)), zeros],
      (inner, index, _innerCond, before) => {
        const which = ops.add(inner, first, index);
        const inputs = Object.fromEntries(
          Object.entries(batches).map(([name, values]) => [name, ops.gather(inner, values, which)]),
        );
        const { figures, gradient } = oneMicroBatch(inner, model, {
          shape,
          objective,
          weights,
          fixed,
          inputs,
        });
        const sums = figures.map((figure, i) => ops.add(inner, before[i]!, figure));
        const isFirst = ops.equal(inner, index, inner.scalar(0, 'int64'));
        const added = ops.add(inner, before.at(-1)!, gradient);
        return { carried: [...sums, ops.where(inner, isFirst, gradient, added)] };
      },
    );
    const gradient = micro.carried.at(-1)!;
    const { norm, factor } = clipping(body, gradient, adam.gradClip);
    const [stepSize, epsilon, keep] = scalars.map(at) as [Value, Value, Value];
    const next = decayParts(layout).map(({ start: from, end, decay }) => {
      const part = (whole: Value): Value =>
        end - from === layout.size ? whole : ops.slice(body, whole, 0, from, end);
      const before = { p: part(p!), m: part(m!), v: part(v!), gradient: part(gradient) };
      return adamStep(body, before, { stepSize, epsilon, keep }, { ...adam, factor, decay });
    });
    return { carried: whole(body, next), scans: [...micro.carried.slice(0, -1), norm] };
  });
  ['p', 'm', 'v'].forEach((name, i) => g.output(`new.${name}`, carried[i]!));
  [...objective.names, 'norm'].forEach((name, i) => g.output(name, scans[i]!));
  return g;
}

interface MicroBatch {
  shape: SequenceShape;
  objective: GraphObjective;
  weights: ParameterInputs;
  /** The weights that training starts from. */
  fixed: (entry: ParameterEntry) => Value;
  inputs: Record<string, Value>;
}

/** Figures of one micro-batch, and the gradient of its loss as one vector in the order of the trained parameters. */
function oneMicroBatch(
  g: GraphBuilder,
  model: TrainedModel,
  { shape, objective, weights, fixed, inputs }: MicroBatch,
): { figures: Value[]; gradient: Value } {
  const { tokens, segments, targets } = inputs as Record<string, Value | undefined>;
  const hidden = decoderHidden(g, model, weights, tokens!, shape, segments);
  const logprobsOf = (states: Value, { head }: ParameterInputs, frozenHead: boolean): Value => {
    if (!head) throw new Error('a reward model predicts no tokens');
    return tokenLogprobs(g, states, head, targets!, { temperature: objective.temperature, frozenHead });
  };
  const computed = objective.figures({
    g,
    inputs,
    logprobs: () => logprobsOf(hidden, weights, model.adapter !== undefined),
    referenceLogprobs: () => {
      const plain = { layout: model.layout };
      const start = parametersFrom(plain, fixed);
      return logprobsOf(decoderHidden(g, plain, start, tokens!, shape, segments), start, false);
    },
    scores: (at) => {
      if (!weights.score) throw new Error('only a reward model gives scores');
      return scoresAt(g, hidden, at, weights.score);
    },
  });
  const each = gradients(g, computed.loss, weights.trained).map((part) => ops.reshape(g, part, [-1]));
  return {
    figures: objective.names.map((name) => computed[name]!),
    gradient: each.length === 1 ? each[0]! : ops.concat(g, each, 0),
  };
}

/** The named parts of a flat vector. */
function separate(g: GraphBuilder, { entries }: FlatLayout, flat: Value): Map<ParameterEntry, Value> {
  const sizes = entries.map(({ size }) => size);
  return new Map(
    ops.split(g, flat, sizes, 0).map((part, i) => [entries[i]!, ops.reshape(g, part, entries[i]!.shape)]),
  );
}

function whole(g: GraphBuilder, parts: readonly State[]): Value[] {
  return (['p', 'm', 'v'] as const).map((key) =>
    parts.length === 1
      ? parts[0]![key]
      : ops.concat(
          g,
          parts.map((part) => part[key]),
          0,
        ),
  );
}
