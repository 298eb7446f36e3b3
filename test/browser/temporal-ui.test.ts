/** The Temporal UI as the front end: the pipeline is started from its form and seen to finish; the report opens offline. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { temporalConfig } from '../../temporal.config.js';
import type { RunResult } from '../../workflows/messages.js';
import { openBrowser } from '../support/chromium.js';
import { TestMachine } from '../support/machine.js';
import { screenshot } from '../support/screenshot.js';
import { TINY } from '../support/tiny-recipe.js';
import { until } from '../support/until.js';

const PATIENCE = { timeout: 60_000 };
let machine: TestMachine;
let browser: Awaited<ReturnType<typeof openBrowser>>;
let page: Page;

beforeAll(async () => {
  machine = await TestMachine.start();
  await machine.startWorker();
  browser = await openBrowser();
  page = browser.context.pages()[0] ?? (await browser.context.newPage());
});
afterAll(async () => {
  await browser?.close();
  await machine?.stop();
});

const namespacePage = (path: string) =>
  `${machine.temporal.uiUrl}/namespaces/${temporalConfig.namespace}/${path}`;

async function startFromForm(workflowId: string, input: unknown): Promise<void> {
  const form = new URLSearchParams({
    workflowId,
    taskQueue: temporalConfig.taskQueues.orchestration,
    workflowType: 'trainRewardModel',
  });
  await page.goto(namespacePage(`workflows/start-workflow?${form.toString()}`));
  await page.locator('.cm-content[contenteditable="true"]').first().click();
  await page.keyboard.insertText(JSON.stringify(input));
  // Leaving the editor lays the JSON out anew and moves the button: a click at once would miss it.
  await page.getByRole('heading', { name: 'Start Workflow' }).click();
  await screenshot(page, 'ui-start-form');
  await page.getByTestId('start-workflow-button').last().click();
  await until('the workflow to exist', () => statusOf(workflowId));
}

function statusOf(workflowId: string): Promise<string | undefined> {
  return machine.client.workflow
    .getHandle(workflowId)
    .describe()
    .then(
      ({ status: { name } }) => name,
      () => undefined,
    );
}

test('a run started from the form with overrides shows its progress and finishes', async () => {
  const workflowId = 'from-the-ui';
  await startFromForm(workflowId, { recipe: 'quickstart', overrides: TINY });
  const handle = machine.client.workflow.getHandle(workflowId);
  const { runId } = await handle.describe();
  await page.goto(namespacePage(`workflows/${workflowId}/${runId}/user-metadata`));
  // What the workflow writes itself, as markdown; the UI shows it in a frame.
  const details = page.frameLocator('iframe').last();
  await details.getByText('distill', { exact: true }).waitFor(PATIENCE);
  await details.getByText('running').first().waitFor(PATIENCE);

  const result = (await handle.result()) as RunResult;
  expect(result.state).toBe('completed');
  await page.reload();
  await details.getByText('7 of 7 stages').waitFor(PATIENCE);
  await screenshot(page, 'ui-current-details');
  await page.goto(namespacePage(`workflows/${workflowId}/${runId}/history`));
  await page.getByText('Workflow Execution Completed').first().waitFor(PATIENCE);
  await screenshot(page, 'ui-run');

  const html = join(machine.home, 'report.html');
  await machine.store.getFile(result.report!, html);
  const requests: string[] = [];
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(pathToFileURL(html).href);
  await page.getByText('SFT + GRPO').first().waitFor(PATIENCE);
  expect(requests.filter((url) => !url.startsWith('file:') && !url.startsWith('data:'))).toEqual([]);
});

test('a wrong field in the form fails the run with the field named on its page', async () => {
  const workflowId = 'wrong-field';
  await startFromForm(workflowId, { recipee: 'quickstart' });
  await until('the run to fail', async () => (await statusOf(workflowId)) === 'FAILED');
  const { runId } = await machine.client.workflow.getHandle(workflowId).describe();
  await page.goto(namespacePage(`workflows/${workflowId}/${runId}/history`));
  await page.getByText("unknown field 'recipee'").first().waitFor(PATIENCE);
});
