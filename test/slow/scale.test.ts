/**
 * 800,000 pairs: the capacity plan (docs/scale.md) against a workflow that really runs, with answers that come at once, and
 * against a week on a clock of the test's own. What the plan says of histories must hold, and not by a factor of two.
 */
import proto from '@temporalio/proto';
import { MockActivityEnvironment, type TestWorkflowEnvironment } from '@temporalio/testing';
import type { WorkflowHandle } from '@temporalio/client';
import { afterEach, expect, test, vi } from 'vitest';
import { FiguresReporter } from '../../activities/training/figures.js';
import { loadRecipe } from '../../recipes/load.js';
import { figureSignals, shardPlan } from '../../recipes/sizing/capacity.js';
import { temporalConfig } from '../../temporal.config.js';
import { ledgerQuery } from '../../workflows/messages.js';
import { fakeActivities, fakeRef } from '../support/fake-activities.js';
import { startEnvironment, withWorkers } from '../support/workflow-environment.js';

const PAIRS = 800_000;
/** Limits of the server (docs/scale.md). */
const MOST_EVENTS = 51_200;
const MOST_BYTES = 50 * 1024 * 1024;

let environment: TestWorkflowEnvironment | undefined;
afterEach(async () => {
  vi.useRealTimers();
  await environment?.teardown();
  environment = undefined;
});

async function history(
  handle: Pick<WorkflowHandle, 'fetchHistory'>,
): Promise<{ events: number; bytes: number }> {
  const found = await handle.fetchHistory();
  const { History } = proto.temporal.api.history.v1;
  return { events: found.events!.length, bytes: History.encode(found).finish().length };
}

/** The plan holds, and says something: it is not twice what comes. */
function expectPlanned(events: number, planned: number): void {
  expect(events).toBeLessThanOrEqual(planned);
  expect(events).toBeGreaterThan(planned / 2);
}

test('question by question: 100 shards of 8,000 pairs, one ledger, the history that was planned', async () => {
  const server = (environment = await startEnvironment());
  const { activities } = fakeActivities({}, 100);
  const sizes = new Set<number>();
  const plain = activities.judgeWithOracle;
  activities.judgeWithOracle = (input) => {
    sizes.add(input.to - input.from);
    return plain(input);
  };
  const plan = shardPlan(loadRecipe('quickstart', { 'distill.pairs': PAIRS }).distill);
  await withWorkers(server, activities, 100, async () => {
    const handle = await server.client.workflow.start('distill', {
      taskQueue: temporalConfig.taskQueues.orchestration,
      workflowId: 'distill-800000',
      args: [
        {
          artifacts: { pairs: fakeRef('pairs') },
          overrides: { 'distill.pairs': PAIRS },
          budget: { usd: 20_000 },
        },
      ],
    });
    await handle.result();
    const { events, bytes } = await history(handle);
    console.log(`distill, ${PAIRS} pairs by chat: ${events} events (planned ${plan.events}), ${bytes} bytes`);
    expectPlanned(events, plan.events);
    expect(bytes).toBeLessThan(MOST_BYTES / 10);
    expect(await handle.query(ledgerQuery)).toMatchObject({ calls: 2 * plan.shards, reservedUsd: 0 });
  });
  expect(plan).toMatchObject({ shards: 100, pairsPerShard: 8000 });
  expect([...sizes]).toEqual([8000]);
});

test('a week of GRPO: its figures fill a fraction of the history', async () => {
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] });
  let signals = 0;
  const client = {
    workflow: { getHandle: () => ({ signal: async () => void (signals += 1) }) },
  } as unknown as ConstructorParameters<typeof FiguresReporter>[1];
  const seconds = 7 * 86_400;
  await new MockActivityEnvironment().run(async () => {
    const reporter = new FiguresReporter('grpo', client, ['run']);
    for (let at = 0; at < seconds; at += 5) {
      vi.setSystemTime(Date.now() + 5000);
      reporter.show({ step: at, total: seconds });
    }
    reporter.stop();
  });
  const planned = figureSignals(seconds);
  console.log(
    `a week of training: ${signals} signals (planned ${planned.signals}), ${planned.events} events`,
  );
  expectPlanned(signals, planned.signals);
  expect(planned.events).toBeLessThan(MOST_EVENTS / 10);
});
