/** Statistics of the bootstrap over many comparisons; in a file of its own, because it takes seconds. */
import { expect, it } from 'vitest';
import { compareUnits, type Unit } from '../../benchmarks/index.js';

const units = (outcomes: readonly number[]): Unit[] =>
  outcomes.map((outcome, index) => ({
    ...{ key: `A ${index}`, cluster: `${index}`, stratum: 'Chat', section: 'Chat', weight: 1, outcome },
  }));

it('the interval of a difference covers the truth about as often as it says', () => {
  // Judges that are right with 0.7 and 0.75, independently: the true difference is 0.05.
  let state = 7;
  const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  let covered = 0;
  const trials = 20;
  for (let trial = 0; trial < trials; trial++) {
    const a = units(Array.from({ length: 150 }, () => (random() < 0.7 ? 1 : 0)));
    const b = units(Array.from({ length: 150 }, () => (random() < 0.75 ? 1 : 0)));
    const { low, high } = compareUnits(a, b, { seed: trial }).score;
    if (low <= 0.05 && 0.05 <= high) covered += 1;
  }
  expect(covered / trials).toBeGreaterThanOrEqual(0.8);
});
