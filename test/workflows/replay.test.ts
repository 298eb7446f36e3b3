/** Runs that are under way must survive a new version of the workflows: histories recorded before still replay. */
import { Worker } from '@temporalio/worker';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import * as workflows from '../../workflows/index.js';
import { SCENARIOS } from '../support/history-scenarios.js';
import { historyFile, recordHistories } from '../support/record-histories.js';
import { startEnvironment, workflowBundle } from '../support/workflow-environment.js';

const DIRECTORY = fileURLToPath(new URL('../histories/', import.meta.url));

const wanted = process.env['RMR1_RECORD_HISTORIES'];
if (wanted) {
  const environment = await startEnvironment();
  await recordHistories(environment, DIRECTORY, wanted === 'all' ? [] : wanted.split(','));
  await environment.teardown();
}

interface StoredHistory {
  events: {
    workflowExecutionStartedEventAttributes?: { workflowId: string; workflowType: { name: string } };
    activityTaskScheduledEventAttributes?: { activityType: { name: string } };
  }[];
}

const names = readdirSync(DIRECTORY).filter((file) => file.endsWith('.json'));
const read = (name: string) => JSON.parse(readFileSync(DIRECTORY + name, 'utf8')) as StoredHistory;

const startOf = ({ events }: StoredHistory) => events[0]!.workflowExecutionStartedEventAttributes!;

/** The errors that a replay of these histories ends with, by file. One worker for all: it compiles the workflows once. */
async function replay(
  histories: { name: string; history: StoredHistory }[],
): Promise<Record<string, string>> {
  const named = new Map(
    histories.map(({ name, history }) => [startOf(history).workflowId, { name, history }]),
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

test('there is a history of every scenario, of the children that it names, and no other', () => {
  const expected = SCENARIOS.flatMap(({ name, children = [] }) =>
    [name, ...children.map((child) => `${name}/${child}`)].map(historyFile),
  );
  expect(names.sort()).toEqual(expected.sort());
});

test('there is one of every workflow', () => {
  const types = names.map((name) => startOf(read(name)).workflowType.name);
  expect(new Set(types)).toEqual(new Set(Object.keys(workflows)));
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
