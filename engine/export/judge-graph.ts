/**
 * A trained decoder as one self-contained ONNX graph for inference, in standard operators only. Names and shapes are
 * those that exporters for onnxruntime and transformers.js use, so that their generation loops run it.
 */
import { GraphBuilder, UNKNOWN, ops, type Value } from '../onnx/index.js';
import type { OutputSpec } from '../onnx/shape-inference.js';
import { headDim, view, type ParameterLayout } from '../model/parameters.js';
import { rotaryTables } from '../model/rotary.js';

/** Added to the scores of keys that a query must not see; softmax makes zeros of it. */
const FORBIDDEN = -1e9;

/** Names of a layer's cached keys and values, as inputs and as outputs. */
const cacheInputs = (layer: number): [string, string] => [
  `past_key_values.${layer}.key`,
  `past_key_values.${layer}.value`,
];
const cacheOutputs = (layer: number): [string, string] => [`present.${layer}.key`, `present.${layer}.value`];

const floats = (...shape: number[]): OutputSpec => ({ dtype: 'float32', shape });

/**
 * Inputs, with B sequences, T new tokens and P cached ones:
 * - `input_ids`, `position_ids` int64 [B, T]; `attention_mask` int64 [B, P + T], 0 for padding;
 * - `past_key_values.N.key`, `.value` float32 [B, kvHeads, P, headDim], for each layer N; P may be 0.
 *
 * Outputs: `logits` float32 [B, T, vocabulary]; `present.N.key`, `.value` float32 [B, kvHeads, P + T, headDim].
 *
 * The weights are constants of the graph, each once, in Hugging Face's layout.
 */
export function judgeGraph(layout: ParameterLayout, parameters: Float32Array): GraphBuilder {
  const { config } = layout;
  const { heads, kvHeads, hiddenSize, layers, normEpsilon } = config;
  const d = headDim(config);
  const g = new GraphBuilder('judge');
  const entries = new Map(layout.entries.map((entry) => [entry.name, entry]));
  const weights = new Map<string, Value>();
  const optional = (name: string): Value | undefined => {
    const entry = entries.get(name);
    if (!entry) return undefined;
    const known = weights.get(name) ?? g.constant('float32', entry.shape, view(parameters, entry));
    weights.set(name, known);
    return known;
  };
  const weight = (name: string): Value => {
    const value = optional(name);
    if (!value) throw new Error(`the model has no ${name}`);
    return value;
  };

  const ids = g.input('input_ids', 'int64', [UNKNOWN, UNKNOWN]);
  const attended = g.input('attention_mask', 'int64', [UNKNOWN, UNKNOWN]);
  const positions = g.input('position_ids', 'int64', [UNKNOWN, UNKNOWN]);
  const past = Array.from({ length: layers }, (_, i) =>
    cacheInputs(i).map((name) => g.input(name, 'float32', [UNKNOWN, kvHeads, UNKNOWN, d])),
  );

  const shape = g.op('Shape', [ids], {}, { specs: [{ dtype: 'int64', shape: [2] }] });
  /** `x` with its leading axes made [B, T]. */
  const unfold = (x: Value, ...rest: number[]): Value =>
    g.op(
      'Reshape',
      [x, ops.concat(g, [shape, g.ints(rest)], 0)],
      {},
      { specs: [floats(UNKNOWN, UNKNOWN, ...rest)] },
    );
  const linear = (x: Value, name: string): Value =>
    ops.gemm(g, x, weight(`${name}.weight`), { transB: true, ...biasOf(optional(`${name}.bias`)) });
  const normalise = (x: Value, name: string): Value => {
    const scale = ops.add(g, ops.reduceMean(g, ops.mul(g, x, x), [1]), normEpsilon);
    return ops.mul(g, ops.div(g, x, ops.sqrt(g, scale)), weight(`${name}.weight`));
  };
  const mask = maskOf(g, ids, attended);
  const rotate = rotation(g, layout, positions);

  /** Rows are tokens: [B·T, hidden]. */
  const embedded = ops.gather(g, weight('model.embed_tokens.weight'), ids);
  let x = g.op('Reshape', [embedded, g.ints([-1, hiddenSize])], {}, { specs: [floats(UNKNOWN, hiddenSize)] });
  for (let i = 0; i < layers; i += 1) {
    const of = (name: string): string => `model.layers.${i}.${name}`;
    const [pastKey, pastValue] = past[i] as [Value, Value];
    const [keyName, valueName] = cacheOutputs(i);
    const normal = normalise(x, of('input_layernorm'));
    // Query heads lie by the key head they share: [B, kvHeads, heads / kvHeads, T, headDim].
    const q = unfold(linear(normal, of('self_attn.q_proj')), kvHeads, heads / kvHeads, d);
    const queries = rotate(ops.transpose(g, q, [0, 2, 3, 1, 4]));
    const byHead = (name: string): Value =>
      ops.transpose(g, unfold(linear(normal, of(name)), kvHeads, d), [0, 2, 1, 3]);
    const join = (old: Value, added: Value): Value =>
      g.op('Concat', [old, added], { axis: 2 }, { specs: [floats(UNKNOWN, kvHeads, UNKNOWN, d)] });
    const keys = join(pastKey, rotate(byHead('self_attn.k_proj')));
    const values = join(pastValue, byHead('self_attn.v_proj'));
    g.output(keyName, keys);
    g.output(valueName, values);
    const scores = ops.matmul(
      g,
      ops.mul(g, queries, 1 / Math.sqrt(d)),
      ops.transpose(g, ops.unsqueeze(g, keys, [2]), [0, 1, 2, 4, 3]),
    );
    const share = ops.softmax(g, ops.add(g, scores, mask));
    const mixed = ops.matmul(g, share, ops.unsqueeze(g, values, [2]));
    const rows = g.op(
      'Reshape',
      [ops.transpose(g, mixed, [0, 3, 1, 2, 4]), g.ints([-1, heads * d])],
      {},
      { specs: [floats(UNKNOWN, heads * d)] },
    );
    x = ops.add(g, x, linear(rows, of('self_attn.o_proj')));
    const second = normalise(x, of('post_attention_layernorm'));
    const gate = linear(second, of('mlp.gate_proj'));
    const gated = ops.mul(g, ops.mul(g, gate, ops.sigmoid(g, gate)), linear(second, of('mlp.up_proj')));
    x = ops.add(g, x, linear(gated, of('mlp.down_proj')));
  }
  const head = config.tieEmbeddings ? 'model.embed_tokens' : 'lm_head';
  g.output('logits', unfold(linear(normalise(x, 'model.norm'), head), config.vocabSize));
  return g;
}

const biasOf = (bias: Value | undefined): { bias?: Value } => (bias ? { bias } : {});

/** Added to scores, [B, 1, 1, T, P + T]: a token sees itself and what came before it, never padding. */
function maskOf(g: GraphBuilder, ids: Value, attended: Value): Value {
  const size = (x: Value): Value =>
    ops.squeeze(g, g.op('Shape', [x], { start: 1 }, { specs: [{ dtype: 'int64', shape: [1] }] }), [0]);
  const [total, fresh] = [size(attended), size(ids)];
  const range = (from: Value): Value =>
    g.op('Range', [from, total, g.scalar(1, 'int64')], {}, { specs: [{ dtype: 'int64', shape: [UNKNOWN] }] });
  const keys = ops.unsqueeze(g, range(g.scalar(0, 'int64')), [0]);
  const queries = ops.unsqueeze(g, range(ops.sub(g, total, fresh)), [1]);
  const real = ops.unsqueeze(g, ops.cast(g, attended, 'bool'), [1, 2, 3]);
  const seen = g.op('And', [ops.lessOrEqual(g, keys, queries), real]);
  return ops.where(g, seen, 0, FORBIDDEN);
}

/** Rotates the halves of the last axis of [B, ..., T, headDim] by position (RoPE, arXiv 2104.09864). */
function rotation(g: GraphBuilder, { config }: ParameterLayout, positions: Value): (x: Value) => Value {
  const half = headDim(config) / 2;
  const { cosine, sine } = rotaryTables(config, config.maxLength);
  const at = (table: Float32Array): Value =>
    ops.gather(g, g.constant('float32', [config.maxLength, half], table), positions);
  const [cos, sin] = [at(cosine), at(sine)];
  return (x) => {
    const [first, second] = ops.split(g, x, [half, half], -1) as [Value, Value];
    const axes = Array.from({ length: x.shape.length - 3 }, (_, i) => i + 1);
    const [c, s] = [ops.unsqueeze(g, cos, axes), ops.unsqueeze(g, sin, axes)];
    const turned = [
      ops.sub(g, ops.mul(g, first, c), ops.mul(g, second, s)),
      ops.add(g, ops.mul(g, second, c), ops.mul(g, first, s)),
    ];
    return ops.concat(g, turned, -1);
  };
}
