/** A machine is lost for good and its run terminated: another one goes on with nothing but Temporal and the bucket. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Manifest } from '../../activities/artifacts/ref.js';
import { killGroup } from '../../infra/local/process.js';
import { runCommand } from '../support/command.js';
import { TestMachine } from '../support/machine.js';
import { TINY } from '../support/tiny-recipe.js';
import { until } from '../support/until.js';

let machine: TestMachine;
beforeAll(async () => {
  machine = await TestMachine.start();
});
afterAll(() => machine?.stop());

const manifestOf = async (stage: string): Promise<Manifest | undefined> => {
  const [key] = await machine.store.listKeys(`manifests/${stage}/`);
  return key === undefined ? undefined : ((await machine.store.getJson(key))?.value as Manifest);
};

test('rerun on another machine goes on from the checkpoint and ends in the same model', async () => {
  const worker = await machine.startWorker();
  const first = await machine.start('trainRewardModel', { overrides: TINY }, 'lost');
  const key = await until('the fence of sft', async () => {
    // Base and SFT both have one, and which hash comes first is nobody's business.
    const base = (await manifestOf('base'))?.key;
    const fences = await machine.store.listKeys('checkpoints/');
    const stageKey = fences.map((path) => path.split('/')[1]!).find((stage) => stage !== base);
    const begun = base && stageKey && (await manifestOf('distill'));
    return begun && (await machine.store.latestCheckpoint(stageKey)) ? stageKey : undefined;
  });
  await killGroup(worker);
  await first.terminate('the machine burnt down');

  const elsewhere = { ...machine.environment(), RMR1_HOME: join(machine.home, 'another-machine') };
  await machine.startWorker({ RMR1_HOME: elsewhere.RMR1_HOME });
  const { code, stdout, stderr } = await runCommand(['rerun', 'lost', '--json'], elsewhere);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { workflowId } = JSON.parse(stdout) as { workflowId: string };
  await machine.client.workflow.getHandle(workflowId).result();
  const recovered = await manifestOf('sft');
  expect(recovered?.key).toBe(key);
  const fence = (await machine.store.getJson(`checkpoints/${key}/fence.json`))!.value as {
    claims: { from: { step: number } | null }[];
  };
  // One of each machine; on a busy one an attempt may have been given up and tried again.
  expect(fence.claims.length).toBeGreaterThanOrEqual(2);
  for (const { from } of fence.claims.slice(1)) expect(from?.step).toBeGreaterThan(0);
  expect((await manifestOf('distill'))?.workflowId).toBe('lost');

  await machine.forget('sft');
  const undisturbed = await machine.start('trainRewardModel', { overrides: TINY }, 'undisturbed');
  await undisturbed.result();
  expect((await manifestOf('sft'))?.outputs['model']?.sha256).toBe(recovered?.outputs['model']?.sha256);
});
