/** A hundred thousand pairs must not fill a history: shards grow, their number does not. */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { temporalConfig } from '../../temporal.config.js';
import { ledgerQuery } from '../../workflows/messages.js';
import { fakeActivities, fakeRef } from '../support/fake-activities.js';
import { startEnvironment, withWorkers } from '../support/workflow-environment.js';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startEnvironment();
});
afterAll(() => environment?.teardown());

test('distilling 100,000 pairs in two passes stays below 2,000 events, three shards at a time, all in one ledger', async () => {
  const { activities } = fakeActivities();
  let running = 0;
  let most = 0;
  const plain = activities.judgeWithOracle;
  activities.judgeWithOracle = async (input) => {
    most = Math.max(most, ++running);
    const result = await plain(input);
    running -= 1;
    return result;
  };
  await withWorkers(environment, activities, 100, async () => {
    const handle = await environment.client.workflow.start('distill', {
      taskQueue: temporalConfig.taskQueues.orchestration,
      workflowId: 'distill-100000',
      args: [
        {
          artifacts: { pairs: fakeRef('pairs') },
          overrides: { 'distill.pairs': 100_000 },
          budget: { usd: 1000 },
        },
      ],
    });
    await handle.result();
    const { events } = await handle.fetchHistory();
    expect(events!.length).toBeLessThan(2000);
    const ledger = await handle.query(ledgerQuery);
    expect(ledger).toMatchObject({ calls: 200, reservedUsd: 0, capUsd: 1000 });
    expect(ledger.entries.map(({ pass, calls }) => [pass, calls])).toEqual([
      [1, 100],
      [2, 100],
    ]);
  });
  expect(most).toBeLessThanOrEqual(3);
});

test('a cascade goes from model to model, each with what the one before left, and ends in one set of traces', async () => {
  const { activities } = fakeActivities();
  const asked: unknown[] = [];
  const plain = activities.judgeWithOracle;
  activities.judgeWithOracle = async (input) => {
    const result = await plain(input);
    const answers = fakeRef(`answers-${asked.length}`);
    asked.push([input.pass, input.oracle.model, input.firstPass?.uri]);
    return { ...result, answers };
  };
  let firstPass: string[] | undefined;
  const filter = activities.filterTraces;
  activities.filterTraces = (input) => {
    firstPass = input.shards?.[0]?.firstPass.map(({ uri }) => uri);
    return filter(input);
  };
  await withWorkers(environment, activities, 100, async () => {
    await environment.client.workflow.execute('distill', {
      taskQueue: temporalConfig.taskQueues.orchestration,
      workflowId: 'distill-cascade',
      args: [
        {
          artifacts: { pairs: fakeRef('pairs') },
          overrides: { 'distill.pairs': 100, 'oracle.cascade': ['small', 'middling'] },
        },
      ],
    });
  });
  const of = (index: number) => fakeRef(`answers-${index}`).uri;
  expect(asked).toEqual([
    [1, 'small', undefined],
    [1, 'middling', of(0)],
    [1, 'world-oracle-a', of(1)],
    [2, 'world-oracle-a', of(2)],
  ]);
  expect(firstPass).toEqual([of(0), of(1), of(2)]);
});
