/** The upgrade drill of docs/operations.md: runs stay with the build they began on, new ones go to the new build. */
import { randomUUID } from 'node:crypto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { deploymentVersions, promoteBuild } from '../../client/deployments.js';
import { temporalConfig } from '../../temporal.config.js';
import { deploymentOptions } from '../../workers/deployment-options.js';
import * as messages from '../../workflows/messages.js';
import type { trainRewardModel } from '../../workflows/train-reward-model.js';
import { fakeActivities } from '../support/fake-activities.js';
import { until } from '../support/until.js';
import { startEnvironment, withWorkers } from '../support/workflow-environment.js';

// Two sets of workers for every queue: minutes on a machine that does other things too.
vi.setConfig({ testTimeout: 240_000 });

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startEnvironment();
});
afterAll(() => environment?.teardown());

const taskQueue = temporalConfig.taskQueues.orchestration;
const SMALL = { overrides: { 'distill.pairs': 64, 'evaluate.stages': ['grpo'] } };

const start = (input: object, name: string) =>
  environment.client.workflow.start<typeof trainRewardModel>('trainRewardModel', {
    taskQueue,
    workflowId: `${name}-${randomUUID()}`,
    args: [{ ...SMALL, ...input }],
  });

/** As `rmr1 deployment promote`, once the server has seen the build's workers. */
const promote = (build: string) =>
  until(`build ${build} to take new runs`, () =>
    promoteBuild(environment.client, 'default', build).then(
      () => true,
      () => false,
    ),
  );

const build = (buildId: string) => deploymentOptions({ RMR1_BUILD_ID: buildId });

test('a run ends on the build it began on, new runs go to the new build, and the old one drains', async () => {
  expect(deploymentOptions({})).toEqual({});
  const [old, fresh] = [fakeActivities(), fakeActivities()];
  const drill = async () => {
    await promote('1');
    const under = await start({ gates: ['sft'] }, 'under-way');
    await until('the gate', async () => {
      const progress = await under.query(messages.progressQuery).catch(() => undefined);
      return progress?.state === 'awaiting-approval';
    });

    await withWorkers(
      environment,
      fresh.activities,
      100,
      async () => {
        await promote('2');
        const began = await start({}, 'new');
        expect((await began.result()).state).toBe('completed');
        expect(old.calls).not.toContain('train:grpo');
        expect(fresh.calls).toContain('train:grpo');
        const calls = fresh.calls.length;

        await under.executeUpdate(messages.approveUpdate, { args: [undefined] });
        expect((await under.result()).state).toBe('completed');
        expect(old.calls).toContain('train:grpo');
        expect(fresh.calls).toHaveLength(calls);
        const versions = await deploymentVersions(environment.client, 'default');
        expect(versions.find(({ buildId }) => buildId === '2')?.state).toBe('current');
        expect(versions.find(({ buildId }) => buildId === '1')?.state).toMatch(/^drain/);
      },
      build('2'),
    );
  };
  await withWorkers(environment, old.activities, 100, drill, build('1'));
});

test('a build that nobody runs cannot be promoted, beside others or where there is none', async () => {
  const refused = {
    type: 'Usage',
    message: expect.stringContaining('RMR1_BUILD_ID=never-built') as string,
  };
  const refuse = () =>
    expect(promoteBuild(environment.client, 'default', 'never-built')).rejects.toMatchObject(refused);
  await refuse();
  await withWorkers(
    environment,
    fakeActivities().activities,
    100,
    async () => {
      await promote('3');
      await refuse();
    },
    build('3'),
  );
});
