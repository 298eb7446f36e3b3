/** The same programs with checkpoint fencing switched off: the simulation is worth something only if it sees that. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type * as Fence from '../../activities/artifacts/fence.js';
import { checkAll } from './check.js';
import { faultProgram } from './program.js';
import { useScratch } from './scratch.js';

vi.mock('../../activities/artifacts/fence.js', async (original) => {
  const real = await original<typeof Fence>();
  class Unfenced extends real.Fences {
    override async claim(...given: Parameters<Fence.Fences['claim']>): Promise<Fence.Fence> {
      const [stageKey, , attempt] = given;
      const standing = attempt === undefined ? undefined : await this.read(stageKey);
      return standing ?? super.claim(...given);
    }
    override async assertHeld(): Promise<void> {}
  }
  return { ...real, Fences: Unfenced, isOnLine: () => true };
});

let clear: () => void;
beforeAll(() => {
  clear = useScratch();
});
afterAll(() => clear());

test('without fences, a stale checkpoint is seen', async () => {
  const programs = fc
    .sample(faultProgram, { seed: 1, numRuns: 400 })
    .filter(({ faults }) => faults.some(({ at, fault }) => fault.kind === 'zombie' && at > 70));
  const { failed, programs: tried } = await checkAll(programs, (tally) => tally.failed.length > 0);
  expect(failed.length, `${tried} programs`).toBeGreaterThan(0);
  expect(failed[0]!.wrong.join()).toMatch(/stale|visible though/);
});
