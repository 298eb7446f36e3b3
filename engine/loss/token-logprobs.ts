/** Log-probabilities of given tokens under the output projection, with the gradient in closed form. */
import type { Contribution, GraphBuilder } from '../onnx/graph-builder.js';
import * as ops from '../onnx/ops.js';
import type { Value } from '../onnx/types.js';

export interface LogprobOptions {
  /** Logits are divided by it: the sampling temperature. Default 1. */
  temperature?: number;
  /** Rows whose logits exist at a time. Default: all of them up to 128 MiB, as many as fill 64 MiB beyond. */
  chunkRows?: number;
  /** No gradient of the head is wanted: that of the hidden states is then made beside the logits, not from new ones. */
  frozenHead?: boolean;
}

const WHOLE_ELEMENTS = 32 * 2 ** 20;
const CHUNK_ELEMENTS = 16 * 2 ** 20;

/** What both ways need to know. */
interface Projection {
  /** [rows, size] */
  hidden: Value;
  /** [vocabulary, size] */
  head: Value;
  /** int64 [rows] */
  targets: Value;
  /** 1 / temperature */
  inverse: number;
}

/**
 * log softmax(hidden · headᵀ / temperature)[target] for every row.
 *
 * Gradient for upstream u: dhidden = u/τ · (head[target] − P·head), dhead = rows u/τ·hidden at the targets, less
 * Pᵀ·(u/τ·hidden). With a large vocabulary a `Loop` handles chunks of rows and computes their logits again in the
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
  const whole = rows * head.shape[0]! <= WHOLE_ELEMENTS;
  const chunk = Math.min(rows, options.chunkRows ?? (whole ? rows : largestChunk(head.shape[0]!)));
  const projection = { hidden, head, targets, inverse: 1 / (options.temperature ?? 1) };
  if (options.frozenHead) return frozenHeadLogprobs(g, projection, chunk);
  return chunk === rows ? wholeLogprobs(g, projection) : chunkedLogprobs(g, projection, chunk);
}

/** A power of two, so that the products keep their fast sizes. */
function largestChunk(vocabulary: number): number {
  return 2 ** Math.max(4, Math.floor(Math.log2(CHUNK_ELEMENTS / vocabulary)));
}

function logSoftmaxOf(g: GraphBuilder, hidden: Value, { head, inverse }: Projection): Value {
  return ops.logSoftmax(g, ops.gemm(g, hidden, head, { transB: true, alpha: inverse }));
}

/** Element `targets[i]` of row i of `all`. */
function pick(g: GraphBuilder, all: Value, targets: Value): Value {
  return ops.squeeze(g, ops.gatherElements(g, all, ops.unsqueeze(g, targets, [1]), 1), [1]);
}

/** head[target] − P·head, times the row's factor [rows, 1]. */
function hiddenGradient(g: GraphBuilder, p: Value, head: Value, targets: Value, factor: Value): Value {
  const difference = ops.gemm(g, p, head, { alpha: -1, bias: ops.gather(g, head, targets) });
  return ops.mul(g, difference, factor);
}

/** Upstream gradient divided by the temperature, [rows, 1]. */
function factorOf(g: GraphBuilder, upstream: Value, inverse: number): Value {
  return ops.unsqueeze(g, inverse === 1 ? upstream : ops.mul(g, upstream, inverse), [1]);
}

function wholeLogprobs(g: GraphBuilder, projection: Projection): Value {
  const { hidden, head, targets, inverse } = projection;
  let all: Value | undefined;
  const forward = (): [Value] => {
    all = logSoftmaxOf(g, hidden, projection);
    return [pick(g, all, targets)];
  };
  const [logprobs] = g.composite([hidden, head], forward, ([upstream], [needsHidden, needsHead]) => {
    const p = ops.exp(g, all!);
    const factor = factorOf(g, upstream!, inverse);
    const dHidden = needsHidden ? hiddenGradient(g, p, head, targets, factor) : null;
    if (!needsHead) return [dHidden, null];
    const rows = ops.mul(g, hidden, factor);
    const dHead: Contribution = [
      ops.gemm(g, p, rows, { transA: true, alpha: -1 }),
      { indices: targets, rows },
    ];
    return [dHidden, dHead];
  });
  return logprobs;
}

/** Rows in equal chunks, as a `Loop` takes them. */
function chunking(g: GraphBuilder, rows: number, chunk: number) {
  const chunks = Math.ceil(rows / chunk);
  return {
    chunks,
    trips: g.scalar(chunks, 'int64'),
    /** [rows, ...] → [chunks, chunk, ...], the last chunk filled up with zeros. */
    inChunks: (x: Value): Value => {
      const rest = x.shape.slice(1);
      const missing = chunks * chunk - rows;
      const spec = { dtype: x.dtype, shape: [chunks * chunk, ...rest] };
      const padding = g.ints([...x.shape.map(() => 0), missing, ...rest.map(() => 0)]);
      const padded = missing === 0 ? x : g.op('Pad', [x, padding], {}, { specs: [spec] });
      return ops.reshape(g, padded, [chunks, chunk, ...rest]);
    },
    fromChunks: (x: Value): Value => {
      const flat = ops.reshape(g, x, [chunks * chunk, ...x.shape.slice(2)]);
      return chunks * chunk === rows ? flat : ops.slice(g, flat, 0, 0, rows);
    },
  };
}

/**
 * Fused linear and cross-entropy: log-probabilities and, from the same logits, their slope head[target] − P·head by the
 * hidden states. The backward pass only scales the slope, so the logits are computed once and never all at a time.
 */
function frozenHeadLogprobs(g: GraphBuilder, projection: Projection, chunk: number): Value {
  const { hidden, head, targets, inverse } = projection;
  const { chunks, trips, inChunks, fromChunks } = chunking(g, hidden.shape[0]!, chunk);
  const both = (body: GraphBuilder, rows: Value, ids: Value): [Value, Value] => {
    const all = logSoftmaxOf(body, rows, projection);
    const p = ops.exp(body, all);
    return [pick(body, all, ids), ops.gemm(body, p, head, { alpha: -1, bias: ops.gather(body, head, ids) })];
  };
  let slope: Value | undefined;
  const forward = (): [Value] => {
    if (chunks === 1) {
      const [logprobs, only] = both(g, hidden, targets);
      slope = only;
      return [logprobs];
    }
    const [hiddenChunks, targetChunks] = [inChunks(hidden), inChunks(targets)];
    const { scans } = g.loop(
      trips,
      null,
      [],
      (body, i) => ({
        carried: [],
        scans: both(body, ops.gather(body, hiddenChunks, i), ops.gather(body, targetChunks, i)),
      }),
      chunks,
    );
    slope = fromChunks(scans[1]!);
    return [fromChunks(scans[0]!)];
  };
  const [logprobs] = g.composite([hidden, head], forward, ([upstream], [, needsHead]) => {
    if (needsHead) throw new Error('tokenLogprobs: the head was declared frozen, but its gradient is wanted');
    return [ops.mul(g, slope!, factorOf(g, upstream!, inverse)), null];
  });
  return logprobs;
}

function chunkedLogprobs(g: GraphBuilder, projection: Projection, chunk: number): Value {
  const { hidden, head, targets, inverse } = projection;
  const { chunks, trips, inChunks, fromChunks } = chunking(g, hidden.shape[0]!, chunk);

  const forward = (): [Value] => {
    const [hiddenChunks, targetChunks] = [inChunks(hidden), inChunks(targets)];
    const { scans } = g.loop(
      trips,
      null,
      [],
      (body, i) => {
        const all = logSoftmaxOf(body, ops.gather(body, hiddenChunks, i), projection);
        return { carried: [], scans: [pick(body, all, ops.gather(body, targetChunks, i))] };
      },
      chunks,
    );
    return [fromChunks(scans[0]!)];
  };
  const [logprobs] = g.composite([hidden, head], forward, ([upstream]) => {
    const factor = factorOf(g, upstream!, inverse);
    const weighted = ops.mul(g, hidden, factor);
    const [hiddenChunks, targetChunks, factorChunks, weightedChunks] = [
      hidden,
      targets,
      factor,
      weighted,
    ].map(inChunks) as [Value, Value, Value, Value];
    const zeros = ops.expand(g, g.scalar(0), head.shape);
    const { carried, scans } = g.loop(
      trips,
      null,
      [zeros],
      (body, i, _cond, [sum]) => {
        const of = (x: Value): Value => ops.gather(body, x, i);
        const p = ops.exp(body, logSoftmaxOf(body, of(hiddenChunks), projection));
        const dHead = ops.gemm(body, p, of(weightedChunks), { transA: true, alpha: -1, bias: sum! });
        return {
          carried: [dHead],
          scans: [hiddenGradient(body, p, head, of(targetChunks), of(factorChunks))],
        };
      },
      chunks,
    );
    return [fromChunks(scans[0]!), [carried[0]!, { indices: targets, rows: weighted }]];
  });
  return logprobs;
}
