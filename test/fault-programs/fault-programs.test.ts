/** Random sequences of faults end in the same bytes, nothing paid twice, the cap kept; and a pipeline without its fences does not. */
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { AnswerCache } from '../../activities/oracle/answer-cache.js';
import { seedOfToday } from '../matrix/covering.js';
import { check, checkAll } from './check.js';
import { faultProgram } from './program.js';
import { useScratch } from './scratch.js';

let clear: () => void;
beforeAll(() => {
  clear = useScratch();
});
afterAll(() => clear());
afterEach(() => vi.restoreAllMocks());

test('whatever fails, in whatever order, the pipeline ends in the very same bytes, and pays once', async () => {
  const seed = seedOfToday();
  const tally = await checkAll(fc.sample(faultProgram, { seed, numRuns: 40 }));
  expect(tally.failed, `seed ${seed}`).toEqual([]);
  // Most faults of a program strike before its run is over.
  expect(tally.struck).toBeGreaterThan(40);
});

test('a worker that goes on although its log was sealed sends nothing; unsealed, what it spends is found out', async () => {
  const zombies = fc
    .sample(faultProgram, { seed: 1, numRuns: 200 })
    .filter(({ faults }) => faults.some(({ at, fault }) => fault.kind === 'zombie' && at < 50));
  vi.spyOn(AnswerCache.prototype, 'sealEarlier').mockResolvedValue();
  const { failed } = await checkAll(zombies, (tally) => tally.failed.length > 0);
  expect(failed[0]?.wrong.join()).toMatch(/the ledger knows|paid again|over the cap/);
  vi.restoreAllMocks();
  expect((await check(failed[0]!.program)).wrong).toEqual([]);
});
