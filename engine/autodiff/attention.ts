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

/** Added to the scores of forbidden keys; softmax makes exact zeros of it. */
const FORBIDDEN = -1e9;

/** [length, length]: key ≤ query. */
export function causalMask(g: GraphBuilder, length: number): Value {
  const mask = new Float32Array(length * length);
  for (let query = 0; query < length; query += 1) {
    mask.fill(FORBIDDEN, query * length + query + 1, (query + 1) * length);
  }
  return g.constant('float32', [length, length], mask);
}

/**
 * Causal mask for packed rows: tokens see earlier tokens of their own segment only.
 * @param segments float32 [batch, length], any number per segment
 * @returns [batch, 1, length, length]
 */
export function segmentMask(g: GraphBuilder, segments: Value): Value {
  const [batch, length] = segments.shape as [number, number];
  const queries = ops.reshape(g, segments, [batch, 1, length, 1]);
  const keys = ops.reshape(g, segments, [batch, 1, 1, length]);
  return ops.where(g, ops.equal(g, queries, keys), causalMask(g, length), FORBIDDEN);
}

/**
 * softmax(q kᵀ / √headDim + mask) v.
 *
 * With time-major rows, [length, batch·heads, headDim] is a plain view, and FusedMatMul reads it as one matrix per
 * head without a copy. Right padding needs no mask of its own: keys after a query are forbidden anyway.
 *
 * @param qkv [length·batch, (heads + 2·kvHeads)·headDim], rotated; head by head: queries, keys, values
 * @param mask from `causalMask` or `segmentMask`
 * @returns [length·batch, heads·headDim]
 */
export function attention(g: GraphBuilder, qkv: Value, mask: Value, shape: AttentionShape): Value {
  const { length, batch, heads, kvHeads, headDim } = shape;
  const groups = batch * kvHeads;
  const group = heads / kvHeads;
  const alpha = 1 / Math.sqrt(headDim);
  const rows = length * batch;
  /** Queries (or anything per query head) as matrices [groups, group·length, headDim], or a view that is read so. */
  const byGroup = (x: Value): Value =>
    group === 1
      ? ops.reshape(g, x, [length, groups, headDim])
      : ops.reshape(g, ops.transpose(g, ops.reshape(g, x, [length, groups, group, headDim]), [1, 2, 0, 3]), [
          groups,
          group * length,
          headDim,
        ]);
  const viewed = group === 1;
  const state: Record<'q' | 'k' | 'v' | 'p' | 'out', Value | undefined> = {
    q: undefined,
    k: undefined,
    v: undefined,
    p: undefined,
    out: undefined,
  };

  const forward = (): [Value] => {
    const parts = ops.split(
      g,
      ops.reshape(g, qkv, [length, batch, heads + 2 * kvHeads, headDim]),
      [heads, kvHeads, kvHeads],
      2,
    );
    const q = byGroup(parts[0]!);
    const [k, v] = [1, 2].map((i) => ops.reshape(g, parts[i]!, [length, groups, headDim])) as [Value, Value];
    const scores = ops.fusedMatMul(g, q, k, { transBatchA: viewed, transBatchB: true, transB: true, alpha });
    const masked = ops.add(g, ops.reshape(g, scores, [batch, heads, length, length]), mask);
    const p = ops.reshape(g, ops.softmax(g, masked), [groups, group * length, length]);
    const o = ops.fusedMatMul(g, p, v, { transBatchB: true });
    const timeMajor = ops.transpose(g, ops.reshape(g, o, [batch * heads, length, headDim]), [1, 0, 2]);
    const out = ops.reshape(g, timeMajor, [rows, heads * headDim]);
    Object.assign(state, { q, k, v, p, out });
    return [out];
  };

  const [out] = g.composite([qkv], forward, ([dOut]) => {
    const { q, k, v, p, out: saved } = state as Record<'q' | 'k' | 'v' | 'p' | 'out', Value>;
    const dO = byGroup(dOut!);
    // Σ_keys dP∘P = Σ_dims dO∘O, which is the smaller sum.
    const product = ops.reshape(g, ops.mul(g, dOut!, saved), [length, batch * heads, headDim]);
    const inner = ops.reshape(g, ops.transpose(g, ops.reduceSum(g, product, [2], false), [1, 0]), [
      groups,
      group * length,
      1,
    ]);
    const dV = ops.fusedMatMul(g, p, dO, { transA: true, transBatchB: viewed });
    const dP = ops.fusedMatMul(g, dO, v, { transBatchA: viewed, transBatchB: true, transB: true });
    const dS = ops.mul(g, p, ops.sub(g, dP, inner));
    const dQ = ops.fusedMatMul(g, dS, k, { transBatchB: true, alpha });
    const dK = ops.fusedMatMul(g, dS, q, { transA: true, transBatchB: viewed, alpha });
    const stacked = ops.concat(
      g,
      [
        ops.reshape(g, dQ, [batch, heads, length, headDim]),
        ops.reshape(g, dK, [batch, kvHeads, length, headDim]),
        ops.reshape(g, dV, [batch, kvHeads, length, headDim]),
      ],
      1,
    );
    return [ops.reshape(g, ops.transpose(g, stacked, [2, 0, 1, 3]), qkv.shape)];
  });
  return out;
}
