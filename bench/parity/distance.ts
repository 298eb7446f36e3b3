/** What the parity checks report: how far the engine and a peer are apart. */
import { type BenchResult, machine, versions } from '../result.js';

/** Distances that are no more than rounding of float32. */
const GOAL = 1e-4;

export function distanceResult(
  which: string,
  unit: string,
  distances: ArrayLike<number>,
  peer: Record<string, string>,
): BenchResult {
  const all = Array.from(distances);
  const largest = Math.max(...all);
  return {
    name: 'parity',
    case: which,
    ratio: null,
    goal: GOAL,
    met: largest <= GOAL,
    ours: largest,
    peer: null,
    unit,
    runs: { ours: all },
    machine: machine(),
    versions: versions(peer),
  };
}
