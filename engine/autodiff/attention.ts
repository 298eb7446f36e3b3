/** Causal attention as plain operators, with its gradient in closed form. */
import type { GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';

export interface AttentionShape {
  /** Sequence length and number of sequences; rows are time-major: row t·batch + b. */
  length: number;
  batch: number;
  heads: number;
  /** Groups of `heads / kvHeads` query heads share a key and value head (grouped-query attention). */
  kvHeads: number;
  headDim: number;
}

export interface AttentionInputs {
  /** [length·batch, heads·headDim], rotated */
  q: Value;
  /** [length·batch, kvHeads·headDim], rotated */
  k: Value;
  /** [length·batch, kvHeads·headDim] */
  v: Value;
  /** From `segmentMask`; without it the mask is causal. */
  mask?: Value | undefined;
  shape: AttentionShape;
  /** Queries handled at a time, see `attention`. */
  blockLength?: number;
}

/** Added to the scores of forbidden keys; softmax makes exact zeros of it. */
const FORBIDDEN = -1e9;
const BLOCK = 128;

/** Mask of queries `start` … `end`−1 against keys 0 … `end`−1, where key ≤ query. */
function causalMask(g: GraphBuilder, start: number, end: number): Value {
  const mask = new Float32Array((end - start) * end);
  for (let query = start; query < end; query += 1) {
    mask.fill(FORBIDDEN, (query - start) * end + query + 1, (query - start + 1) * end);
  }
  return g.constant('float32', [end - start, end], mask);
}

/**
 * Mask for packed rows: tokens see earlier tokens of their own segment only.
 * @param segments float32 [batch, length], any number per segment
 * @returns [batch, 1, length, length]
 */
export function segmentMask(g: GraphBuilder, segments: Value): Value {
  const [batch, length] = segments.shape as [number, number];
  const queries = ops.reshape(g, segments, [batch, 1, length, 1]);
  const keys = ops.reshape(g, segments, [batch, 1, 1, length]);
  return ops.where(g, ops.equal(g, queries, keys), causalMask(g, 0, length), FORBIDDEN);
}

/** One block of queries, `start` … `end`−1, which sees keys 0 … `end`−1; what its gradient needs again. */
interface Block {
  start: number;
  end: number;
  q: Value;
  k: Value;
  v: Value;
  probabilities: Value;
}

/**
 * softmax(q kᵀ / √headDim + mask) v.
 *
 * With time-major rows, [length, batch·heads, headDim] is a plain view, and FusedMatMul reads it as one matrix per
 * head without a copy. Long sequences are handled in blocks of queries that skip the keys after them. Right padding
 * needs no mask of its own: keys after a query are forbidden anyway.
 *
 * @returns [length·batch, heads·headDim]
 */
export function attention(g: GraphBuilder, inputs: AttentionInputs): Value {
  const { q, k, v, shape } = inputs;
  const { length, batch, heads, kvHeads, headDim } = shape;
  const size = inputs.blockLength ?? (length >= 2 * BLOCK ? BLOCK : length);
  const group = heads / kvHeads;
  const groups = batch * kvHeads;
  const alpha = 1 / Math.sqrt(headDim);
  /** A product reads [length, groups, headDim] as one matrix per group; with shared keys, queries are copied instead. */
  const viewed = group === 1;

  /** Rows of times `start` … `end`−1. */
  const times = (x: Value, start: number, end: number): Value =>
    start === 0 && end === length ? x : ops.slice(g, x, 0, start * batch, end * batch);
  /** Per query head [times·batch, heads·headDim] → one matrix per group, [groups, group·times, headDim]. */
  const byGroup = (x: Value): Value => {
    const n = x.shape[0]! / batch;
    if (viewed) return ops.reshape(g, x, [n, groups, headDim]);
    const split = ops.reshape(g, x, [n, groups, group, headDim]);
    return ops.reshape(g, ops.transpose(g, split, [1, 2, 0, 3]), [groups, group * n, headDim]);
  };
  /** The reverse: [groups, group·times, headDim] → [times·batch, heads·headDim]. */
  const toRows = (x: Value, headsPerGroup: number): Value => {
    const n = x.shape[1]! / headsPerGroup;
    const split = ops.reshape(g, x, [groups * headsPerGroup, n, headDim]);
    return ops.reshape(g, ops.transpose(g, split, [1, 0, 2]), [
      n * batch,
      (groups * headsPerGroup * headDim) / batch,
    ]);
  };
  const byKey = (x: Value, end: number): Value => ops.reshape(g, times(x, 0, end), [end, groups, headDim]);
  const maskOf = (start: number, end: number): Value => {
    if (!inputs.mask) return causalMask(g, start, end);
    if (start === 0 && end === length) return inputs.mask;
    return ops.slice(g, ops.slice(g, inputs.mask, 2, start, end), 3, 0, end);
  };
  const join = (parts: Value[], axis: number): Value =>
    parts.length === 1 ? parts[0]! : ops.concat(g, parts, axis);
  const blocks: Block[] = [];
  let saved: Value | undefined;

  const forward = (): [Value] => {
    const outputs: Value[] = [];
    for (let start = 0; start < length; start += size) {
      const end = Math.min(length, start + size);
      const block = { start, end, q: byGroup(times(q, start, end)), k: byKey(k, end), v: byKey(v, end) };
      const scores = ops.fusedMatMul(g, block.q, block.k, {
        transBatchA: viewed,
        transBatchB: true,
        transB: true,
        alpha,
      });
      const masked = ops.add(g, ops.reshape(g, scores, [batch, heads, end - start, end]), maskOf(start, end));
      const probabilities = ops.reshape(g, ops.softmax(g, masked), scores.shape);
      blocks.push({ ...block, probabilities });
      outputs.push(toRows(ops.fusedMatMul(g, probabilities, block.v, { transBatchB: true }), group));
    }
    saved = join(outputs, 0);
    return [saved];
  };

  const [out] = g.composite([q, k, v], forward, ([dOut]) => {
    // Σ_keys dP∘P = Σ_dims dO∘O, which is the smaller sum. Time-major, so [length, batch·heads].
    const product = ops.reshape(g, ops.mul(g, dOut!, saved!), [length, batch * heads, headDim]);
    const inner = ops.transpose(g, ops.reduceSum(g, product, [2], false), [1, 0]);
    const parts = blocks.map((block) => {
      const { start, end, probabilities: p } = block;
      const dO = byGroup(times(dOut!, start, end));
      const centre = start === 0 && end === length ? inner : ops.slice(g, inner, 1, start, end);
      const dV = ops.fusedMatMul(g, p, dO, { transA: true, transBatchB: viewed });
      const dP = ops.fusedMatMul(g, dO, block.v, { transBatchA: viewed, transBatchB: true, transB: true });
      const dS = ops.mul(g, p, ops.sub(g, dP, ops.reshape(g, centre, [groups, p.shape[1]!, 1])));
      const dQ = ops.fusedMatMul(g, dS, block.k, { transBatchB: true, alpha });
      const dK = ops.fusedMatMul(g, dS, block.q, { transA: true, transBatchB: viewed, alpha });
      return { dQ: toRows(dQ, group), dK, dV };
    });
    return [
      join(
        parts.map((part) => part.dQ),
        0,
      ),
      toRows(
        sumPrefixes(
          g,
          parts.map((part) => part.dK),
        ),
        1,
      ),
      toRows(
        sumPrefixes(
          g,
          parts.map((part) => part.dV),
        ),
        1,
      ),
    ];
  });
  return out;
}

/** Sum of tensors [groups, n, size] of growing n, each about the first n positions. */
function sumPrefixes(g: GraphBuilder, parts: readonly Value[]): Value {
  return parts.reduceRight((longer, shorter) => {
    const n = shorter.shape[1]!;
    const [head, tail] = ops.split(g, longer, [n, longer.shape[1]! - n], 1) as [Value, Value];
    return ops.concat(g, [ops.add(g, head, shorter), tail], 1);
  });
}
