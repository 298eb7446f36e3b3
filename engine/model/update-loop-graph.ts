/**
 * Optimiser updates in a row as one graph, for devices that do not share the host's memory: frozen weights are part of
 * the graph, a `Loop` goes through the updates and one inside it through their micro-batches, and only what is trained
 * comes in and goes out.
 */
import { gradients } from '../autodiff/gradients.js';
import { supervisedLoss } from '../loss/supervised.js';
import { tokenLogprobs } from '../loss/token-logprobs.js';
import { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import { UNKNOWN, type DType, type Value } from '../onnx/types.js';
import { adamStep, clipping, decayParts, type AdamSettings } from '../optimizer/adamw.js';
import { decoderHidden } from './decoder.js';
import { view, type FlatLayout, type ParameterEntry } from './parameters.js';
import { trainables, type TrainedModel } from './trained-model.js';
import type { GraphShape } from './training-graphs.js';
import { parametersFrom, type ParameterInputs } from './weights.js';

type State = Record<'p' | 'm' | 'v', Value>;

/**
 * Inputs: the state `p`, `m`, `v` [size]; `updates` (how many); per update `first` and `count` of its micro-batches,
 * `stepSize`, `epsilon`, `keep`; per micro-batch `tokens`, `targets`, `weights` [·, length·batch] and `segments`
 * [·, batch, length]. Outputs: the state as `new.p`, `new.m`, `new.v`, and per update `loss` and `norm`.
 * @param frozen the decoder's weights where adapters are trained
 */
export function updateLoopGraph(
  model: TrainedModel,
  shape: GraphShape,
  adam: AdamSettings,
  frozen?: Float32Array,
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
    targets: input('targets', 'int64', [rows]),
    weights: input('weights', 'float32', [rows]),
    segments: input('segments', 'float32', [shape.batch, shape.length]),
  };
  const fixed = new Map(
    frozen
      ? model.layout.entries.map((entry) => [entry, g.constant('float32', entry.shape, view(frozen, entry))])
      : [],
  );

  const { carried, scans } = g.loop(updates, null, state, (body, update, _cond, [p, m, v]) => {
    const at = (values: Value): Value => ops.gather(body, values, update);
    const parts = separate(body, layout, p!);
    const weights = parametersFrom(model, (entry) => (fixed.get(entry) ?? parts.get(entry))!);
    const first = at(spans.first);
    const micro = body.loop(
      at(spans.count),
      null,
      [body.scalar(0), ops.expand(body, body.constant('float32', [1], [0]), [layout.size])],
      (inner, index, _innerCond, [lossBefore, gradientBefore]) => {
        const which = ops.add(inner, first, index);
        const feeds = Object.fromEntries(
          Object.entries(batches).map(([name, values]) => [name, ops.gather(inner, values, which)]),
        ) as typeof batches;
        const { loss, gradient } = supervisedGradient(inner, model, weights, shape, feeds);
        const isFirst = ops.equal(inner, index, inner.scalar(0, 'int64'));
        const added = ops.add(inner, gradientBefore!, gradient);
        return { carried: [ops.add(inner, lossBefore!, loss), ops.where(inner, isFirst, gradient, added)] };
      },
    );
    const [loss, gradient] = micro.carried as [Value, Value];
    const { norm, factor } = clipping(body, gradient, adam.gradClip);
    const [stepSize, epsilon, keep] = scalars.map(at) as [Value, Value, Value];
    const next = decayParts(layout).map(({ start, end, decay }) => {
      const part = (whole: Value): Value =>
        end - start === layout.size ? whole : ops.slice(body, whole, 0, start, end);
      const before = { p: part(p!), m: part(m!), v: part(v!), gradient: part(gradient) };
      return adamStep(body, before, { stepSize, epsilon, keep }, { ...adam, factor, decay });
    });
    return { carried: whole(body, next), scans: [loss, norm] };
  });
  ['p', 'm', 'v'].forEach((name, i) => g.output(`new.${name}`, carried[i]!));
  g.output('loss', scans[0]!);
  g.output('norm', scans[1]!);
  return g;
}

/** Loss of one micro-batch and its gradient as one vector in the order of the trained parameters. */
function supervisedGradient(
  g: GraphBuilder,
  model: TrainedModel,
  parameters: ParameterInputs,
  shape: GraphShape,
  { tokens, targets, weights, segments }: Record<'tokens' | 'targets' | 'weights' | 'segments', Value>,
): { loss: Value; gradient: Value } {
  if (!parameters.head) throw new Error('a reward model predicts no tokens');
  const hidden = decoderHidden(g, model, parameters, tokens, shape, segments);
  const frozenHead = model.adapter !== undefined;
  const { temperature } = shape;
  const logprobs = tokenLogprobs(g, hidden, parameters.head, targets, { temperature, frozenHead });
  const loss = supervisedLoss(g, logprobs, weights);
  const each = gradients(g, loss, parameters.trained).map((gradient) => ops.reshape(g, gradient, [-1]));
  return { loss, gradient: each.length === 1 ? each[0]! : ops.concat(g, each, 0) };
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
