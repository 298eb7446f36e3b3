/** Runs that are under way must survive a new version of the workflows: histories recorded before still replay. */
import { Worker } from '@temporalio/worker';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { recordHistories } from '../support/record-histories.js';
import { startEnvironment, workflowBundle } from '../support/workflow-environment.js';

const DIRECTORY = fileURLToPath(new URL('../histories/', import.meta.url));

if (process.env['RMR1_RECORD_HISTORIES']) {
  const environment = await startEnvironment();
  await recordHistories(environment, DIRECTORY);
  await environment.teardown();
}

interface StoredHistory {
  events: {
    workflowExecutionStartedEventAttributes?: { workflowId: string };
    activityTaskScheduledEventAttributes?: { activityType: { name: string } };
  }[];
}

const names = readdirSync(DIRECTORY).filter((file) => file.endsWith('.json'));
const read = (name: string) => JSON.parse(readFileSync(DIRECTORY + name, 'utf8')) as StoredHistory;

/** The errors that a replay of these histories ends with, by file. One worker for all: it compiles the workflows once. */
async function replay(
  histories: { name: string; history: StoredHistory }[],
): Promise<Record<string, string>> {
  const named = new Map(
    histories.map(({ name, history }) => [
      history.events[0]!.workflowExecutionStartedEventAttributes!.workflowId,
      { name, history },
    ]),
  );
  expect(named.size).toBe(histories.length);
  const errors: Record<string, string> = {};
  const results = Worker.runReplayHistories(
    { workflowBundle: await workflowBundle() },
    [...named].map(([workflowId, { history }]) => ({ workflowId, history })),
  );
  let replayed = 0;
  for await (const { workflowId, error } of results) {
    replayed += 1;
    if (error) errors[named.get(workflowId)!.name] = error.message;
  }
  expect(replayed).toBe(histories.length);
  return errors;
}

test('there are histories of completed, steered and cancelled runs and of their children', () => {
  expect(names).toEqual(
    expect.arrayContaining([
      ...['', '.distill', '.sft', '.grpo', '.evaluate'].map((child) => `completed${child}.json`),
      ...['paused-and-resumed.json', 'paused-and-resumed.grpo.json', 'corrected.json', 'corrected.grpo.json'],
      ...[
        'cascade.json',
        'cascade.distill.json',
        'cancelled.json',
        'cancelled.sft.json',
        'approved-then-rejected.json',
      ],
    ]),
  );
});

test('every stored history replays with the workflows of today', async () => {
  expect(await replay(names.map((name) => ({ name, history: read(name) })))).toEqual({});
});

test('a workflow that would schedule something else is found out', async () => {
  const history = read('completed.json');
  const scheduled = history.events.filter((event) => event.activityTaskScheduledEventAttributes).at(-1)!;
  scheduled.activityTaskScheduledEventAttributes!.activityType.name = 'writeSomethingElse';
  const errors = await replay([{ name: 'tampered', history }]);
  expect(errors['tampered']).toMatch(/determinis/i);
});

test('they hold no trace of the machine that recorded them', () => {
  for (const name of names) {
    const text = readFileSync(DIRECTORY + name, 'utf8');
    const payloads = [...text.matchAll(/"data":"([A-Za-z0-9+/=]+)"/g)].map(([, data]) =>
      Buffer.from(data!, 'base64').toString('utf8'),
    );
    expect([text, ...payloads].join('\n')).not.toMatch(/\d+@[\w.-]+|"stackTrace"|\/(home|root|tmp|work)\//);
    expect(text.length, name).toBeLessThan(200_000);
  }
});
