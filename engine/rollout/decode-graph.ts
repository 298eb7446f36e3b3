/**
 * The graph that generates: a `Loop` over tokens with sampling inside.
 *
 * Keys and values of earlier tokens ("past") do not change while the loop runs and are only read; those of the
 * tokens being generated ("fresh") are carried through the loop and appended to the past once, after it. So no step
 * copies the whole cache.
 */
import { GraphBuilder, UNKNOWN, ops, type ExternalData, type Value } from '../onnx/index.js';
import type { OutputSpec } from '../onnx/shape-inference.js';
import { headDim, type ParameterLayout } from '../model/parameters.js';
import {
  addAndNormalize,
  cacheNames,
  keyShape,
  product,
  rotaryInputs,
  rotate,
  swiglu,
  valueShape,
} from './blocks.js';
import { preparedInputs } from './prepared-weights.js';

const floats = (shape: readonly number[]): OutputSpec => ({ dtype: 'float32', shape });

/**
 * Most tokens generated in one run of the graph; finished rows are dropped between runs. Where sums over past and fresh
 * tokens are parted decides how they round, so every row has its runs at the same places.
 */
export const CHUNK = 16;

/** How tokens are chosen: the likeliest, drawn from all, or drawn from the likeliest of a total probability (top-p). */
export type Choosing = 'greedy' | 'sample' | 'nucleus';

/**
 * Inputs besides the prepared weights:
 * - `key.N` float32 [sources, kvHeads, headDim, past], `value.N` float32 [sources, kvHeads, past, headDim], and `rows`
 *   int64 [rows]: the source each row reads;
 * - `mask` float32 [rows, 1, 1, past]: 0 for valid entries, very negative for padding;
 * - `tokens` int64 [rows]: the last token of each row, whose keys are not in the past yet;
 * - `positions` int64 [rows, 1]: where that token stands;
 * - `done` bool [rows]; `stops` int64 [1, stops]: tokens that end a row; `trips` int64 scalar: most tokens to generate;
 * - when sampling, `uniforms` float32 [trips, rows, 1] in [0, 1 − 2^-23] and `inverseTemperature` float32 scalar; for
 *   `nucleus` also `topP` float32 scalar.
 *
 * Outputs: `generated` int64 [steps, rows], `logps` float32 [steps, rows]: log-probabilities of those tokens under
 * softmax(logits / temperature) (temperature 1 when greedy), and `key.N.next`, `value.N.next`, longer by the
 * steps. With `packed`, matrices are constants that lie there, and not inputs. It stops early once all rows are done; what a row generates after its end is junk.
 */
export function decodeGraph(
  layout: ParameterLayout,
  choosing: Choosing,
  packed?: ReadonlyMap<string, ExternalData>,
): GraphBuilder {
  const sampling = choosing !== 'greedy';
  const { config } = layout;
  const { heads, kvHeads, layers, normEpsilon } = config;
  const d = headDim(config);
  const outer = new GraphBuilder(choosing);
  const weights = preparedInputs(outer, layout, 'scaled', 'factors', packed);
  const rows = outer.input('rows', 'int64', [UNKNOWN]);
  const mask = outer.input('mask', 'float32', [UNKNOWN, 1, 1, UNKNOWN]);
  const pastLength = outer.op('Shape', [mask], { start: 3 }, { specs: [{ dtype: 'int64', shape: [1] }] });
  const tokens = outer.input('tokens', 'int64', [UNKNOWN]);
  const positions = outer.input('positions', 'int64', [UNKNOWN, 1]);
  const done = outer.input('done', 'bool', [UNKNOWN]);
  const stops = outer.input('stops', 'int64', [1, UNKNOWN]);
  const trips = outer.input('trips', 'int64', []);
  const uniforms = sampling ? outer.input('uniforms', 'float32', [UNKNOWN, UNKNOWN, 1]) : undefined;
  const inverseTemperature = sampling ? outer.input('inverseTemperature', 'float32', []) : undefined;
  const topP = choosing === 'nucleus' ? outer.input('topP', 'float32', []) : undefined;
  const tables = rotaryInputs(outer, config, config.maxLength + CHUNK);

  const past = Array.from({ length: layers }, (_, i) => {
    const names = cacheNames(i);
    const read = (name: string, shape: readonly number[]): Value =>
      ops.gather(outer, outer.input(name, 'float32', shape), rows);
    return { key: read(names.key, keyShape(config)), value: read(names.value, valueShape(config)) };
  });
  const empty = outer.op(
    'Slice',
    [past[0]!.value, outer.ints([0]), outer.ints([0]), outer.ints([2])],
    {},
    { specs: [floats(valueShape(config))] },
  );
  const fresh = Array.from({ length: 2 * layers }, () => empty);
  const { carried, scans } = outer.loop(
    trips,
    outer.constant('bool', [], [1]),
    [tokens, positions, done, ...fresh],
    (g, iteration, _, [token, position, ended, ...cache]) => {
      let residual = ops.gather(g, weights.embedding, token!);
      let x = ops.rmsNorm(g, residual, weights.layers[0]!.attentionNorm, normEpsilon).y;
      const freshLength = ops.unsqueeze(g, ops.add(g, iteration, g.scalar(1, 'int64')), [0]);
      const lengths = ops.concat(g, [pastLength, freshLength], 0);
      const grown: Value[] = [];
      for (let i = 0; i < layers; i++) {
        const layer = weights.layers[i]!;
        const qkv = product(g, x, layer.qkv, layer.qkvBias);
        const [queriesKeys, v] = ops.split(g, qkv, [(heads + kvHeads) * d, kvHeads * d], 1) as [Value, Value];
        const rotated = ops.squeeze(g, rotate(g, ops.unsqueeze(g, queriesKeys, [1]), position!, tables), [1]);
        const [q, k] = ops.split(g, rotated, [heads * d, kvHeads * d], 1) as [Value, Value];
        const queries = ops.reshape(g, q, [0, kvHeads, heads / kvHeads, d]);
        const append = (old: Value, added: Value): Value =>
          g.op(
            'Concat',
            [old, ops.reshape(g, added, [0, kvHeads, 1, d])],
            { axis: 2 },
            { specs: [floats(valueShape(config))] },
          );
        const keys = append(cache[2 * i]!, k);
        const values = append(cache[2 * i + 1]!, v);
        grown.push(keys, values);
        const mixed = attend(g, queries, past[i]!, { key: keys, value: values }, mask, lengths);
        const attended = product(g, ops.reshape(g, mixed, [0, heads * d]), layer.o, layer.oBias);
        const middle = addAndNormalize(g, attended, residual, layer.mlpNorm, normEpsilon);
        const gateUp = product(g, middle.y, layer.gateUp);
        const down = product(g, swiglu(g, gateUp, config.intermediateSize), layer.down);
        const norm = i + 1 < layers ? weights.layers[i + 1]!.attentionNorm : weights.finalNorm;
        const end = addAndNormalize(g, down, middle.sum, norm, normEpsilon);
        residual = end.sum;
        x = end.y;
      }
      const logits = product(g, x, weights.head);
      const choice =
        uniforms && inverseTemperature
          ? sample(g, ops.mul(g, logits, inverseTemperature), ops.gather(g, uniforms, iteration), topP)
          : greedy(g, logits);
      const next = ops.squeeze(g, choice.token, [1]);
      const isStop = ops.cast(g, ops.equal(g, choice.token, stops), 'int32');
      const stopped = ops.cast(g, ops.reduceMax(g, isStop, [1], false), 'bool');
      const endedNow = g.op('Or', [ended!, stopped]);
      const unfinished = ops.cast(g, g.op('Not', [endedNow]), 'int32');
      return {
        cond: ops.cast(g, ops.reduceMax(g, unfinished, [0], false), 'bool'),
        carried: [next, ops.add(g, position!, g.scalar(1, 'int64')), endedNow, ...grown],
        scans: [next, ops.squeeze(g, choice.logp, [1])],
      };
    },
  );
  outer.output('generated', scans[0]!);
  outer.output('logps', scans[1]!);
  past.forEach(({ key, value }, i) => {
    const names = cacheNames(i);
    const extend = (old: Value, added: Value, axis: number): Value =>
      outer.op('Concat', [old, added], { axis }, { specs: [floats(old.shape)] });
    const freshKey = ops.transpose(outer, carried[3 + 2 * i]!, [0, 1, 3, 2]);
    outer.output(`${names.key}.next`, extend(key, freshKey, 3));
    outer.output(`${names.value}.next`, extend(value, carried[4 + 2 * i]!, 2));
  });
  return outer;
}

interface Cache {
  key: Value;
  value: Value;
}

/** Attention of one (scaled) query token a row over the past and the fresh entries; one softmax over both. */
function attend(
  g: GraphBuilder,
  queries: Value,
  past: Cache,
  fresh: Cache,
  mask: Value,
  lengths: Value,
): Value {
  const onPast = ops.add(g, ops.matmul(g, queries, past.key), mask);
  const onFresh = ops.fusedMatMul(g, queries, fresh.key, { transB: true });
  const unknown = floats([...queries.shape.slice(0, 3), UNKNOWN]);
  const scores = g.op('Concat', [onPast, onFresh], { axis: 3 }, { specs: [unknown] });
  const [toPast, toFresh] = g.ops(
    'Split',
    [ops.softmax(g, scores), lengths],
    { axis: 3 },
    { specs: [unknown, unknown] },
  );
  return ops.add(g, ops.matmul(g, toPast!, past.value), ops.matmul(g, toFresh!, fresh.value));
}

/** The most likely token [rows, 1] and its log-probability [rows, 1]. */
function greedy(g: GraphBuilder, logits: Value): { token: Value; logp: Value } {
  const token = g.op('ArgMax', [logits], { axis: 1, keepdims: 1 });
  return { token, logp: ops.gatherElements(g, ops.logSoftmax(g, logits), token, 1) };
}

/**
 * Inverse-CDF sampling: the first token whose cumulative probability exceeds uniform · total. With uniforms of 23
 * bits the target stays below the total in float32, so a token with positive probability is always found. With `topP`
 * only the nucleus is drawn from (Holtzman et al. 2020); the log-probability stays that under the whole distribution,
 * as the training graph computes it.
 */
function sample(
  g: GraphBuilder,
  logits: Value,
  uniform: Value,
  topP: Value | undefined,
): { token: Value; logp: Value } {
  const logps = ops.logSoftmax(g, logits);
  if (!topP) {
    const token = inverse(g, ops.exp(g, logps), uniform);
    return { token, logp: ops.gatherElements(g, logps, token, 1) };
  }
  // Tokens in order of probability, those of equal probability by id; a token stays while those before it are below p.
  const size = logits.shape[1]!;
  const [sorted, ids] = g.ops(
    'TopK',
    [ops.exp(g, logps), g.ints([size])],
    { axis: 1, largest: 1, sorted: 1 },
    { specs: [floats(logits.shape), { dtype: 'int64', shape: logits.shape }] },
  ) as [Value, Value];
  const before = ops.sub(g, g.op('CumSum', [sorted, g.scalar(1, 'int64')]), sorted);
  const rank = inverse(g, ops.where(g, ops.less(g, before, topP), sorted, 0), uniform);
  const token = ops.gatherElements(g, ids, rank, 1);
  return { token, logp: ops.gatherElements(g, logps, token, 1) };
}

/** The first index [rows, 1] whose cumulative weight exceeds uniform · total. */
function inverse(g: GraphBuilder, weights: Value, uniform: Value): Value {
  const cumulative = g.op('CumSum', [weights, g.scalar(1, 'int64')]);
  const total = g.op('Gather', [cumulative, g.constant('int64', [1], [weights.shape[1]! - 1])], { axis: 1 });
  const target = ops.mul(g, uniform, total);
  const below = ops.cast(g, ops.lessOrEqual(g, cumulative, target), 'int32');
  return ops.cast(g, ops.reduceSum(g, below, [1]), 'int64');
}
