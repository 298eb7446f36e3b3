import { tensor, type Tensors } from '../onnx/session.js';
import type { BatchLayout, PreferenceBatch, ScoredBatch } from './batch.js';

/** Places are filled up to a multiple of this, so that few graphs serve all batches. */
const BUCKET = 8;

/** The places of a graph for so many tokens. */
export const filledUp = (count: number): number => Math.ceil(count / BUCKET) * BUCKET;

/** Places of tokens, given as indices of [rows, length], in the time-major order of a graph; filled up with 0. */
function placesOf(
  layout: BatchLayout,
  { length }: ScoredBatch,
  at: Int32Array,
  count = filledUp(at.length),
): Tensors[string] {
  const places = new BigInt64Array(count);
  at.forEach((index, i) => {
    const [row, t] = [Math.floor(index / length), index % length];
    if (t + 1 >= length) throw new Error('a scored token must not be the last one of its row');
    places[i] = BigInt(t * layout.rows + row);
  });
  return tensor('int64', places, [places.length]);
}

/** The inputs `tokens`, `segments` and `at` of the score graph, and the number of places. */
export function scoreInputs(layout: BatchLayout, batch: ScoredBatch): { count: number; feeds: Tensors } {
  const { targets: _, ...feeds } = layout.feeds();
  return { count: filledUp(batch.at.length), feeds: { ...feeds, at: placesOf(layout, batch, batch.at) } };
}

/**
 * The inputs `tokens`, `segments`, `chosenAt`, `rejectedAt` and `weights` of the reward graph.
 * @param pairs of the whole optimiser batch
 * @param least pairs that the graph has places for in any case
 */
export function preferenceInputs(
  layout: BatchLayout,
  batch: PreferenceBatch,
  pairs: number,
  least = 0,
): { count: number; feeds: Tensors } {
  const { targets: _, ...feeds } = layout.feeds();
  const count = filledUp(Math.max(batch.at.length, least));
  const weights = new Float32Array(count).fill(1 / pairs, 0, batch.at.length);
  return {
    count,
    feeds: {
      ...feeds,
      chosenAt: placesOf(layout, batch, batch.at, count),
      rejectedAt: placesOf(layout, batch, batch.rejectedAt, count),
      weights: tensor('float32', weights, [count]),
    },
  };
}
