/** The Temporal UI as a person uses it: forms, updates, queries, pending activities, schedules. */
import type { Locator, Page } from 'playwright-core';
import { temporalConfig } from '../../temporal.config.js';

const PATIENCE = { timeout: 30_000 };
const MOST_CLICKS = 5;

export class UiPage {
  constructor(
    readonly page: Page,
    readonly uiUrl: string,
    private readonly namespace: string,
  ) {}

  open(path: string): Promise<unknown> {
    return this.page.goto(`${this.uiUrl}/namespaces/${this.namespace}/${path}`);
  }

  /** Wait for a text anywhere on the page. */
  async sees(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).first().waitFor(PATIENCE);
  }

  async startWorkflow(workflowId: string, workflowType: string, input: unknown): Promise<void> {
    const taskQueue = temporalConfig.taskQueues.orchestration;
    const form = new URLSearchParams({ workflowId, taskQueue, workflowType });
    await this.open(`workflows/start-workflow?${form.toString()}`);
    await this.write(this.page.locator('.cm-content[contenteditable="true"]').first(), input);
    // Leaving the editor lays the JSON out anew and moves the button: a click at once would miss it.
    await this.page.getByRole('heading', { name: 'Start Workflow' }).click();
    await this.page.getByTestId('start-workflow-button').last().click();
  }

  /** More actions → Send an update. */
  async update(name: string, input?: unknown): Promise<void> {
    const { page } = this;
    await page.getByRole('button', { name: /more actions/i }).click(PATIENCE);
    await page.getByRole('menuitem', { name: /update/i }).click(PATIENCE);
    const dialog = page.locator('dialog[open]');
    await dialog.getByTestId('update-select-button').click(PATIENCE);
    await page.getByRole('option', { name, exact: true }).click(PATIENCE);
    if (input !== undefined) await this.write(dialog.locator('.cm-content').first(), input);
    // Leaving the editor lays the JSON out anew and moves the button: the first click may miss it.
    for (let tries = 1; tries <= MOST_CLICKS; tries++) {
      await dialog.getByTestId('confirm-modal-button').click(PATIENCE);
      const closed = dialog.waitFor({ state: 'hidden', timeout: 3_000 });
      if (
        await closed.then(
          () => true,
          () => false,
        )
      )
        return;
    }
    throw new Error(`The update '${name}' could not be sent.`);
  }

  /** On the page of a run's queries. */
  async query(name: string): Promise<void> {
    await this.page.getByTestId('query-select-button').click(PATIENCE);
    await this.page.getByRole('option', { name, exact: true }).click(PATIENCE);
    await this.page.getByRole('button', { name: 'Run Query' }).click(PATIENCE);
  }

  /** Press a button that asks back, and say yes. */
  async confirmed(button: string): Promise<void> {
    await this.page.getByRole('button', { name: button, exact: true }).click(PATIENCE);
    await this.page.locator('dialog[open]').getByTestId('confirm-modal-button').click(PATIENCE);
  }

  async createSchedule(wanted: {
    name: string;
    type: string;
    workflowId: string;
    cron: string;
    input: unknown;
  }): Promise<void> {
    const { page } = this;
    await this.open('schedules/create');
    await page.getByTestId('schedule-name-input').fill(wanted.name, PATIENCE);
    await page.getByTestId('schedule-type-input').fill(wanted.type);
    await page.getByTestId('schedule-workflow-id-input').fill(wanted.workflowId);
    await page.getByTestId('schedule-task-queue-input').fill(temporalConfig.taskQueues.orchestration);
    await this.write(page.locator('.cm-content[contenteditable="true"]').first(), wanted.input);
    await page.locator('input[name^="cron-string"]').fill(wanted.cron);
    await page.getByRole('button', { name: 'Create Schedule' }).first().click(PATIENCE);
    await page.waitForURL((url) => url.pathname.endsWith('/schedules'), PATIENCE);
  }

  async useCodecServer(url: string): Promise<void> {
    const { page } = this;
    await page.getByTestId('data-encoder-status').click(PATIENCE);
    const dialog = page.locator('dialog[open]');
    await dialog.getByTestId('use-local-endpoint-input').check({ ...PATIENCE, force: true });
    await dialog.getByTestId('data-encoder-endpoint-input').fill(url, PATIENCE);
    await dialog.getByTestId('confirm-modal-button').click(PATIENCE);
    await dialog.waitFor({ ...PATIENCE, state: 'hidden' });
  }

  private async write(editor: Locator, input: unknown): Promise<void> {
    await editor.click(PATIENCE);
    await this.page.keyboard.press('ControlOrMeta+A');
    await this.page.keyboard.insertText(JSON.stringify(input));
  }
}
