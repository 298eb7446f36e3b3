/** The graph that reads prompts: token ids in, keys and values of every layer out. */
import type { Tensor } from 'onnxruntime-node';
import { GraphBuilder, UNKNOWN, ops, tensor, type Value } from '../onnx/index.js';
import { headDim, type ParameterLayout } from '../model/parameters.js';
import { addAndNormalize, cacheNames, product, rotaryInputs, rotate, swiglu, type Cut } from './blocks.js';
import { preparedInputs } from './prepared-weights.js';

/** Far below any score, so that its softmax weight is exactly 0. */
export const MASKED = -1e30;

/** What is added to the scores of prompts of `length` tokens, [1, 1, length, length]: nothing looks ahead. */
export function causalMask(length: number): Tensor {
  const mask = new Float32Array(length * length);
  for (let row = 0; row < length; row += 1) mask.fill(MASKED, row * length + row + 1, (row + 1) * length);
  return tensor('float32', mask, [1, 1, length, length]);
}

/**
 * Inputs: the prepared weights; `tokens` int64 [rows, length], prompts filled up on the right; `mask`, see `causalMask`.
 * Outputs: `key.N` float32 [rows, kvHeads, headDim, length], `value.N` float32 [rows, kvHeads, length, headDim]. Entries beyond a prompt's own length are
 * junk that decoding masks; attention is causal, so they do not reach the valid ones.
 */
export function prefillGraph(layout: ParameterLayout, cut: Cut): GraphBuilder {
  const { config } = layout;
  const { heads, kvHeads, layers, normEpsilon } = config;
  const d = headDim(config);
  const g = new GraphBuilder('prefill');
  const weights = preparedInputs(g, layout, 'plain', cut);
  const tokens = g.input('tokens', 'int64', [UNKNOWN, UNKNOWN]);
  const mask = g.input('mask', 'float32', [1, 1, UNKNOWN, UNKNOWN]);
  const tables = rotaryInputs(g, config, config.maxLength);
  const start = g.ints([0]);

  let residual = ops.gather(g, weights.embedding, tokens);
  let x = ops.rmsNorm(g, residual, weights.layers[0]!.attentionNorm, normEpsilon).y;
  for (let i = 0; i < layers; i++) {
    const layer = weights.layers[i]!;
    const qkv = product(g, x, layer.qkv, layer.qkvBias);
    const [queriesKeys, v] = ops.split(g, qkv, [(heads + kvHeads) * d, kvHeads * d], 2) as [Value, Value];
    const rotated = rotate(g, queriesKeys, start, tables);
    const [q, k] = ops.split(g, rotated, [heads * d, kvHeads * d], 2) as [Value, Value];
    const byHead = (value: Value, count: number, perm = [0, 2, 1, 3]): Value =>
      ops.transpose(g, ops.reshape(g, value, [0, 0, count, d]), perm);
    const keys = byHead(k, kvHeads, [0, 2, 3, 1]);
    const values = byHead(v, kvHeads);
    const names = cacheNames(i);
    g.output(names.key, keys);
    g.output(names.value, values);
    if (i === layers - 1) break;

    // In the shapes 0 keeps a dimension and -1 is what is left: rows and length are known only when the graph runs.
    const queries = ops.reshape(g, byHead(q, heads), [0, kvHeads, -1, d]);
    const scores = ops.fusedMatMul(g, queries, keys, { alpha: 1 / Math.sqrt(d) });
    const masked = ops.add(g, ops.reshape(g, scores, [0, heads, -1, 0]), mask);
    const attention = ops.reshape(g, ops.softmax(g, masked), [0, kvHeads, -1, 0]);
    const mixed = ops.reshape(g, ops.matmul(g, attention, values), [0, heads, -1, d]);
    const merged = ops.reshape(g, ops.transpose(g, mixed, [0, 2, 1, 3]), [0, 0, heads * d]);
    const attended = product(g, merged, layer.o, layer.oBias);
    const middle = addAndNormalize(g, attended, residual, layer.mlpNorm, normEpsilon);
    const gateUp = product(g, middle.y, layer.gateUp);
    const down = product(g, swiglu(g, gateUp, config.intermediateSize), layer.down);
    const end = addAndNormalize(g, down, middle.sum, weights.layers[i + 1]!.attentionNorm, normEpsilon);
    residual = end.sum;
    x = end.y;
  }
  return g;
}
