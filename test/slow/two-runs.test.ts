/** Two runs that want the same stages at the same time: each stage is made once, and the oracle is paid once. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestMachine } from '../support/machine.js';
import { TINY } from '../support/tiny-recipe.js';

let machine: TestMachine;
beforeAll(async () => {
  machine = await TestMachine.start();
});
afterAll(() => machine?.stop());

test('the second run waits for what the first is making and reuses it', async () => {
  await machine.startWorker();
  const runs = await Promise.all(
    ['one', 'other'].map((id) => machine.start('trainRewardModel', { overrides: TINY }, id)),
  );
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, machine.trainers().length);
  }, 50);
  const [one, other] = await Promise.all(runs.map((run) => run.result()));
  clearInterval(watch);
  expect(one!.state).toBe('completed');
  expect(other!.state).toBe('completed');
  expect(other!.model).toEqual(one!.model);
  expect(most).toBe(1);
  const manifests = await machine.store.listKeys('manifests/');
  const stages = manifests.map((key) => key.split('/')[1]!);
  // Each run has a report of its own.
  expect(stages.filter((stage, index) => stages.indexOf(stage) !== index)).toEqual(['report']);
  const { pairs } = await machine.oracle.stats();
  expect(Math.max(...Object.values(pairs))).toBe(1);
});
