/** Student first with the real engine: the oracle is asked only about pairs that no sample of the student got right. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import type { RejectedTrace, Trace } from '../../activities/oracle/filter-traces.js';
import { ledgerQuery, lineageQuery } from '../../workflows/messages.js';
import { TestMachine } from '../support/machine.js';
import { TINY } from '../support/tiny-recipe.js';

let machine: TestMachine;
beforeAll(async () => {
  machine = await TestMachine.start();
  await machine.startWorker();
}, 300_000);
afterAll(() => machine?.stop());

test('every pair is judged once by the student; the oracle sees its failures, and what is mastered is no trace', async () => {
  const overrides = { ...TINY, 'distill.studentSamples': 3 };
  const handle = await machine.start('distill', { overrides }, 'student-first');
  const outcome = (await handle.result()) as unknown as { outputs: Record<string, ArtifactRef> };
  const lines = async <T>(name: string): Promise<T[]> => {
    const found: T[] = [];
    for await (const line of machine.store.openLines(outcome.outputs[name]!)) found.push(line as T);
    return found;
  };
  const traces = await lines<Trace>('traces');
  const rejected = (await lines<RejectedTrace>('rejected')).filter(({ model }) => model === 'student');
  const kept = traces.filter(({ model }) => model === 'student');
  const mastered = rejected.filter(({ reason }) => reason === 'mastered');
  const failed = rejected.length - mastered.length;
  expect(kept.length + rejected.length).toBe(TINY['distill.pairs']);
  expect(failed).toBeGreaterThan(0);

  const { entries } = await handle.query(ledgerQuery);
  expect(entries.find(({ pass }) => pass === 1)!.calls).toBe(failed);
  const { bills } = await machine.oracle.stats();
  expect(bills['chat:world-oracle-a']!.calls).toBe(failed);
  const ids = traces.map(({ pairId }) => pairId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { pairId } of mastered) expect(ids).not.toContain(pairId);
});

test('without an oracle: the second round is judged by the student of the first, and nobody is asked', async () => {
  const { requests } = await machine.oracle.stats();
  const rounds = { 'oracle.provider': 'none', 'distill.rounds': 2, 'distill.studentSamples': 3 };
  const handle = await machine.start(
    'trainRewardModel',
    { overrides: { ...TINY, ...rounds } },
    'self-taught',
  );
  expect(await handle.result()).toMatchObject({ state: 'completed', costUsd: 0 });
  const { stages } = await handle.query(lineageQuery);
  const students = stages
    .filter(({ stage }) => stage === 'distill')
    .map(({ parents }) => parents['student']!.sha256);
  const models = (name: string) =>
    stages.filter(({ stage }) => stage === name).map(({ outputs }) => outputs['model']!.sha256);
  expect(models('sft')).toHaveLength(2);
  expect(students).toEqual([models('base')[0], models('sft')[0]]);
  expect(
    stages.filter(({ stage }) => stage === 'sft').map(({ parents }) => parents['model']!.sha256),
  ).toEqual([models('base')[0], models('base')[0]]);
  expect((await machine.oracle.stats()).requests).toEqual(requests);
});
