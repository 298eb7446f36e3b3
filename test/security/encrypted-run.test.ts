/** With keys, what Temporal stores of a run can be read by nobody else; and a run outlives the rotation of its key. */
import { Client } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encryptingConverter } from '../../infra/payload-encryption.js';
import { temporalConfig } from '../../temporal.config.js';
import * as messages from '../../workflows/messages.js';
import type { trainRewardModel } from '../../workflows/train-reward-model.js';
import { fakeActivities } from '../support/fake-activities.js';
import { until } from '../support/until.js';
import { startEnvironment, withWorkers } from '../support/workflow-environment.js';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startEnvironment();
});
afterAll(() => environment?.teardown());

const key = (id: string) => `${id}:${randomBytes(32).toString('base64')}`;
const withKeys = (...keys: string[]) => encryptingConverter({ RMR1_PAYLOAD_KEYS: keys.join(',') });
const clientWith = (...keys: string[]) =>
  new Client({ connection: environment.connection, ...withKeys(...keys) });

/** All that the server keeps of a workflow, with its payloads in clear as far as they are. */
async function stored(workflowId: string): Promise<string> {
  const { workflowService } = environment.connection;
  const execution = { workflowId };
  const namespace = 'default';
  const { history } = await workflowService.getWorkflowExecutionHistory({ namespace, execution });
  const described = await workflowService.describeWorkflowExecution({ namespace, execution });
  const text = JSON.stringify([history, described]);
  const bytes = [...text.matchAll(/"([A-Za-z0-9+/]{4,}={0,2})"/g)].map(([, encoded]) =>
    Buffer.from(encoded!, 'base64').toString('latin1'),
  );
  return [text, ...bytes].join('\n');
}

test('a run whose key is rotated on the way ends well, and its histories show none of its words', async () => {
  const [old, fresh] = [key('old'), key('new')];
  const { activities } = fakeActivities();
  const prepare = activities.prepareDataset;
  activities.prepareDataset = async (input) => {
    const outcome = await prepare(input);
    return { ...outcome, metrics: { 'planted-metric': 1 } };
  };
  const run = await clientWith(old).workflow.start<typeof trainRewardModel>('trainRewardModel', {
    taskQueue: temporalConfig.taskQueues.orchestration,
    workflowId: 'encrypted',
    args: [{ startedBy: 'planted-person', gates: ['sft'], overrides: { 'distill.pairs': 64 } }],
    memo: { note: 'planted-note' },
    staticSummary: 'planted-summary',
    staticDetails: 'planted-details',
  });
  const atGate = async () => (await run.query(messages.progressQuery)).state === 'awaiting-approval';
  await withWorkers(environment, activities, 10, () => until('the gate', atGate), withKeys(old));

  const rotated = clientWith(fresh, old).workflow.getHandle<typeof trainRewardModel>('encrypted');
  const result = await withWorkers(
    environment,
    activities,
    10,
    async () => {
      await rotated.executeUpdate(messages.approveUpdate, { args: [{ by: 'planted-person' }] });
      return rotated.result();
    },
    withKeys(fresh, old),
  );
  expect(result.state).toBe('completed');

  const words = /planted-|s3:\/\/test|learningRate/;
  for (const child of ['', '/distill', '/sft', '/grpo', '/evaluate']) {
    const text = await stored(`encrypted${child}`);
    expect(text.includes('binary/encrypted'), child).toBe(true);
    expect(words.exec(text)?.[0], child).toBeUndefined();
  }
  const withoutOld = clientWith(fresh).workflow.getHandle('encrypted');
  await expect(withoutOld.describe().then(({ memo }) => memo)).rejects.toThrow(/'old'/);

  // Without keys the same search finds the words: it does look where they would be.
  const plain = await environment.client.workflow.start('trainRewardModel', {
    taskQueue: 'nobody-listens',
    workflowId: 'plain',
    args: [{ startedBy: 'planted-person' }],
  });
  expect(words.exec(await stored('plain'))?.[0]).toBe('planted-');
  await plain.terminate();
});
