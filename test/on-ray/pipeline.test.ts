/** The whole pipeline with TRL on a local Ray head: real Temporal, S3, Ray, TRL; then one victim after the other. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { WorkflowHandle } from '@temporalio/client';
import type { Manifest } from '../../activities/artifacts/ref.js';
import { until } from '../support/until.js';
import { type RayMachine, startRayMachine, TINY_ON_RAY } from './ray-machine.js';

let on: RayMachine;
const reference = new Map<string, Manifest>();
let runs = 0;

beforeAll(async () => {
  on = await startRayMachine();
  await on.machine.startWorker();
});
afterAll(() => on?.stop());

const begin = () => on.machine.start('trainRewardModel', { overrides: TINY_ON_RAY }, `ray-${++runs}`);

/** Wait for the end; a run that waits for a correction has failed the test. */
async function complete(handle: WorkflowHandle): Promise<void> {
  await until(
    `the end of ${handle.workflowId}`,
    async () => {
      const progress = await on.machine.progress(handle.workflowId);
      if (progress?.problem) throw new Error(JSON.stringify(progress.problem));
      const description = await handle.describe().catch(() => undefined);
      if (!description || description.status.name === 'RUNNING') return false;
      expect(description.status.name).toBe('COMPLETED');
      return true;
    },
    280,
  );
}

async function manifestOf(stage: string): Promise<Manifest> {
  const keys = await on.machine.store.listKeys(`manifests/${stage}/`);
  expect(keys, `finished runs of ${stage}`).toHaveLength(1);
  return (await on.machine.store.getJson(keys[0]!))!.value as Manifest;
}

describe('engine ray', () => {
  test('trains SFT and GRPO with TRL, to the last step, and judges with what came of it', async () => {
    await complete(await begin());
    for (const stage of ['sft', 'grpo', 'evaluate']) reference.set(stage, await manifestOf(stage));
    const { metrics } = reference.get('grpo')!;
    expect(metrics['steps']).toBe(8);
    expect(reference.get('sft')!.settings).toMatchObject({ engine: 'ray', precision: 'float32' });
  });
});
