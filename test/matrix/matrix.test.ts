/** The matrix itself: a checker that could not fail, or a cell that was left out, would make its verdict worthless. */
import { describe, expect, test } from 'vitest';
import type { Manifest } from '../../activities/artifacts/ref.js';
import { MOMENTS, STAGES, VICTIMS, allCells } from './cells.js';
import { recomputedSteps, resumedWhereStored, sameBytes, spend } from './checkers.js';
import { coveringSubset } from './covering.js';
import { networkFault } from './fault.js';
import { summarise } from './summary.js';

const cells = allCells();

describe('the cells', () => {
  test('are every stage × moment × victim, each with a point or a reason', () => {
    expect(cells).toHaveLength(STAGES.length * MOMENTS.length * VICTIMS.length);
    expect(new Set(cells.map(({ id }) => id)).size).toBe(cells.length);
    for (const { id, point, absent } of cells)
      expect([Boolean(point), Boolean(absent)], id).toContainEqual(true);
    expect(cells.filter(({ point }) => point)).toHaveLength(156);
  });

  test('a dozen of them see every stage, moment and victim, others on another day', () => {
    for (const seed of [1, 2, 3]) {
      const chosen = coveringSubset(cells, 12, seed);
      expect(new Set(chosen.map(({ stage }) => stage)).size).toBe(STAGES.length);
      expect(new Set(chosen.map(({ moment }) => moment)).size).toBe(MOMENTS.length);
      expect(new Set(chosen.map(({ victim }) => victim)).size).toBe(VICTIMS.length);
      expect(chosen.every(({ point }) => point)).toBe(true);
      expect(coveringSubset(cells, 12, seed)).toEqual(chosen);
    }
    expect(coveringSubset(cells, 12, 1)).not.toEqual(coveringSubset(cells, 12, 2));
  });

  test('network rows differ by cell and are the same for the same seed', () => {
    const faults = cells.map(({ id }) => JSON.stringify(networkFault(id, 7)));
    expect(new Set(faults).size).toBe(8);
    expect(cells.map(({ id }) => JSON.stringify(networkFault(id, 7)))).toEqual(faults);
  });
});

describe('the checkers find', () => {
  const ref = (sha256: string) => ({ uri: `s3://b/${sha256}`, sha256, bytes: 1, kind: 'model' as const });
  const manifest = (outputs: Record<string, string>) =>
    ({
      outputs: Object.fromEntries(Object.entries(outputs).map(([name, sha]) => [name, ref(sha)])),
    }) as unknown as Manifest;

  test('another model, and let metrics differ', () => {
    const reference = manifest({ model: 'a', metrics: 'b' });
    expect(sameBytes('sft', manifest({ model: 'a', metrics: 'c' }), reference)).toEqual([]);
    expect(sameBytes('sft', manifest({ model: 'x', metrics: 'b' }), reference)).toHaveLength(1);
    expect(sameBytes('sft', manifest({}), reference)).toHaveLength(1);
  });

  test('an attempt that began before what was stored', () => {
    const attempts = { beginnings: [0, 10], trained: [14, 30] };
    expect(resumedWhereStored(attempts, 10)).toEqual([]);
    expect(resumedWhereStored(attempts, 15)).toHaveLength(1);
    expect(recomputedSteps(attempts)).toBe(4);
  });

  test('questions asked again, and a cap that did not hold', () => {
    expect(spend(92, 60, 0.2, 1)).toEqual([]);
    expect(spend(93, 60, 0.2, 1)).toHaveLength(1);
    expect(spend(60, 60, 1.2, 1)).toHaveLength(1);
  });

  test('and the summary says so', () => {
    const result = (id: string, wrong: string[]) => ({ id, wrong, seconds: 1, lostSeconds: 2 });
    const summary = summarise(cells, [result('sft/x/worker', []), result('sft/x/s3', ['another model'])], 1);
    expect(summary).toMatchObject({ cells: 2, passed: 1, failed: [{ id: 'sft/x/s3' }], left: 154 });
  });
});
