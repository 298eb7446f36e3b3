/** Log-probabilities of given tokens under the output projection, with the gradient in closed form. */
import type { Contribution, GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';

export interface LogprobOptions {
  /** Logits are divided by it: the sampling temperature. Default 1. */
  temperature?: number;
  /** Rows whose logits exist at a time. Default: all of them where that is less than 32 MiB. */
  chunkRows?: number;
}

const CHUNK_ELEMENTS = 8 * 2 ** 20;

/**
 * log softmax(hidden · headᵀ / temperature)[target] for every row.
 *
 * Gradient for upstream u: dhidden = u/τ · (head[target] − P·head), dhead = rows u/τ·hidden at the targets, less
 * Pᵀ·(u/τ·hidden). With a large vocabulary, rows are handled in chunks and their logits computed again in the
 * backward pass, so that the whole [rows, vocabulary] matrix never exists.
 *
 * @param hidden [rows, size]
 * @param head [vocabulary, size]
 * @param targets int64 [rows]
 * @returns [rows]
 */
export function tokenLogprobs(
  g: GraphBuilder,
  hidden: Value,
  head: Value,
  targets: Value,
  options: LogprobOptions = {},
): Value {
  const rows = hidden.shape[0]!;
  const vocabulary = head.shape[0]!;
  const chunk = options.chunkRows ?? Math.min(rows, Math.max(1, Math.floor(CHUNK_ELEMENTS / vocabulary)));
  const inverse = 1 / (options.temperature ?? 1);
  const ranges: [number, number][] = [];
  for (let start = 0; start < rows; start += chunk) ranges.push([start, Math.min(rows, start + chunk)]);
  const part = (x: Value, [start, end]: [number, number]): Value =>
    ranges.length === 1 ? x : ops.slice(g, x, 0, start, end);
  const join = (parts: Value[]): Value => (parts.length === 1 ? parts[0]! : ops.concat(g, parts, 0));
  let whole: Value | undefined;

  const forward = (): [Value] => [
    join(
      ranges.map((range) => {
        const logits = ops.gemm(g, part(hidden, range), head, { transB: true, alpha: inverse });
        const all = ops.logSoftmax(g, logits);
        if (ranges.length === 1) whole = all;
        const picked = ops.gatherElements(g, all, ops.unsqueeze(g, part(targets, range), [1]), 1);
        return ops.reshape(g, picked, [range[1] - range[0]]);
      }),
    ),
  ];

  /** Probabilities of one chunk: saved ones, or computed again by an operator that is not merged with the first. */
  const probabilities = (hiddenPart: Value): Value =>
    whole
      ? ops.exp(g, whole)
      : ops.softmax(g, ops.fusedMatMul(g, hiddenPart, head, { transB: true, alpha: inverse }));

  const [logprobs] = g.composite([hidden, head], forward, ([upstream], [needsHidden, needsHead]) => {
    const scaled = ops.reshape(g, inverse === 1 ? upstream! : ops.mul(g, upstream!, inverse), [rows, 1]);
    const weighted = needsHead ? ops.mul(g, hidden, scaled) : undefined;
    const dHidden: Value[] = [];
    let dHead: Value | undefined;
    for (const range of ranges) {
      const p = probabilities(part(hidden, range));
      if (needsHidden) {
        const expected = ops.gemm(g, p, head, { alpha: -1, bias: ops.gather(g, head, part(targets, range)) });
        dHidden.push(ops.mul(g, expected, part(scaled, range)));
      }
      if (weighted) {
        const bias = dHead ? { bias: dHead } : {};
        dHead = ops.gemm(g, p, part(weighted, range), { transA: true, alpha: -1, ...bias });
      }
    }
    const head_: Contribution = dHead && weighted ? [dHead, { indices: targets, rows: weighted }] : null;
    return [needsHidden ? join(dHidden) : null, head_];
  });
  return logprobs;
}
