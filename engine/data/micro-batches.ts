/** From sequences of many lengths to a few static shapes: which sequences run together, padded to what. */

/** One run of a training graph: `members` are indices of sequences, `rows` ≥ their number, `length` ≥ their lengths. */
export interface MicroBatch {
  rows: number;
  length: number;
  members: number[];
}

export interface BatchLimits {
  /** Most tokens of one micro-batch, padding included; a bound on memory. */
  maxTokens: number;
  /** Of the model: how much attention adds to the cost of a long row. */
  hiddenSize: number;
}

/** Cost of one more run of the graph, as the number of padding tokens that cost the same. */
const RUN_COST = 256;

/** The static length for sequences of `length` tokens: steps of 32 that widen with the length. */
export function paddedLength(length: number): number {
  let step = 32;
  while (length > 8 * step) step *= 2;
  return Math.ceil(length / step) * step;
}

function paddedRows(count: number): number {
  return 2 ** Math.ceil(Math.log2(count));
}

/**
 * Split sequences into micro-batches of least total cost. Rows are powers of two and lengths multiples of 32 or more,
 * so that few graphs are needed. Deterministic: depends on the lengths and limits alone.
 */
export function planMicroBatches(lengths: readonly number[], limits: BatchLimits): MicroBatch[] {
  const { maxTokens, hiddenSize } = limits;
  const order = lengths.map((_, index) => index).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  // best[i]: least cost of the first i sequences in order of falling length, and where its last micro-batch begins.
  const best = [{ cost: 0, from: 0 }];
  for (let end = 1; end <= order.length; end++) {
    let choice = { cost: Infinity, from: end - 1 };
    for (let from = end - 1; from >= 0; from--) {
      const length = paddedLength(lengths[order[from]!]!);
      const rows = paddedRows(end - from);
      if (rows > 1 && rows * length > maxTokens) break;
      const cost = best[from]!.cost + RUN_COST + rows * length * (1 + length / (2 * hiddenSize));
      if (cost < choice.cost) choice = { cost, from };
    }
    best.push(choice);
  }
  const batches: MicroBatch[] = [];
  for (let end = order.length; end > 0; end = best[end]!.from) {
    const members = order.slice(best[end]!.from, end);
    const length = paddedLength(lengths[members[0]!]!);
    batches.push({ rows: paddedRows(members.length), length, members });
  }
  return batches.reverse();
}
