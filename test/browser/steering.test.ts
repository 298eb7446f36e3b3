/** A run steered from the Temporal UI alone, with fake activities: everything `rmr1` can say, a person can click. */
import { ApplicationFailure } from '@temporalio/activity';
import { Client } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { holdIfPaused } from '../../activities/hold-if-paused.js';
import { startCodecServer } from '../../infra/codec-server.js';
import { freePort } from '../../infra/local/ports.js';
import { EncryptionCodec, encryptingConverter, payloadKeys } from '../../infra/payload-encryption.js';
import * as messages from '../../workflows/messages.js';
import { openBrowser } from '../support/chromium.js';
import { fakeActivities, untilStopped } from '../support/fake-activities.js';
import { fakeRegistry } from '../support/fake-registry.js';
import { screenshot } from '../support/screenshot.js';
import { until } from '../support/until.js';
import { startEnvironment, withWorkers } from '../support/workflow-environment.js';
import { UiPage } from './ui-page.js';

const SMALL = { 'distill.pairs': 64, 'evaluate.stages': ['grpo'] };
let environment: TestWorkflowEnvironment;
let browser: Awaited<ReturnType<typeof openBrowser>>;
let ui: UiPage;

beforeAll(async () => {
  const uiPort = await freePort();
  environment = await startEnvironment({ ui: true, uiPort });
  browser = await openBrowser();
  const page = browser.context.pages()[0] ?? (await browser.context.newPage());
  ui = new UiPage(page, `http://127.0.0.1:${uiPort}`, 'default');
});
afterAll(async () => {
  await browser?.close();
  await environment?.teardown();
});

async function openRun(workflowId: string, tab = 'history'): Promise<void> {
  const handle = environment.client.workflow.getHandle(workflowId);
  const { runId } = await until('the workflow', () => handle.describe().catch(() => undefined));
  await ui.open(`workflows/${encodeURIComponent(workflowId)}/${runId}/${tab}`);
}

const reaches = (workflowId: string, state: messages.RunState) =>
  until(
    `the state ${state}`,
    async () => {
      const handle = environment.client.workflow.getHandle(workflowId);
      return (await handle.query(messages.progressQuery).catch(() => undefined))?.state === state;
    },
    60,
  );

test('pause, resume, correct and approve by update; the ledger by query', async () => {
  let trained = 0;
  let mended = false;
  const { activities, calls } = fakeActivities();
  const train = activities.trainModel;
  activities.trainModel = async (input) => {
    if (input.stage === 'base' && ++trained === 1) return untilStopped(3);
    if (input.stage === 'sft' && input.recipe.sft.learningRate !== 5e-4)
      throw ApplicationFailure.nonRetryable('The learning rate is too high.', 'TrainerRefused');
    mended ||= input.stage === 'sft';
    return train(input);
  };
  await withWorkers(environment, activities, 100, async () => {
    const id = 'steered';
    await ui.startWorkflow(id, 'trainRewardModel', {
      ...{ overrides: SMALL, gates: ['distill'], budget: { usd: 5 } },
    });
    await until('the trainer', () => trained === 1);
    await openRun(id);
    await ui.update('pause', { reason: 'lunch' });
    await reaches(id, 'paused');
    await screenshot(ui.page, 'ui-paused');
    await ui.update('resume');
    await reaches(id, 'awaiting-approval');
    await ui.update('approve', {});
    await reaches(id, 'awaiting-correction');
    await ui.update('correct', { overrides: { 'sft.learningRate': 5e-4 } });
    expect(await environment.client.workflow.getHandle(id).result()).toMatchObject({ state: 'completed' });
    expect(mended).toBe(true);
    expect(calls.filter((call) => call === 'train:base')).toHaveLength(1);
    await openRun(id, 'query');
    await ui.query('ledger');
    await ui.sees('"spentUsd"');
    await screenshot(ui.page, 'ui-ledger');
  });
});

test('a training activity that is paused in the UI stays so until it is unpaused, and goes on', async () => {
  let trained = 0;
  let interrupted = false;
  const { activities } = fakeActivities();
  const train = activities.trainModel;
  activities.trainModel = (input) => {
    if (input.stage !== 'base' || ++trained > 1) return train(input);
    return holdIfPaused(untilStopped(3)).finally(() => (interrupted = true));
  };
  await withWorkers(environment, activities, 100, async () => {
    const id = 'paused-activity';
    await ui.startWorkflow(id, 'trainRewardModel', { overrides: SMALL });
    await until('the trainer', () => trained === 1);
    await openRun(id, 'pending-activities');
    await ui.confirmed('Pause');
    await ui.page.getByRole('button', { name: 'Unpause', exact: true }).waitFor();
    await screenshot(ui.page, 'ui-paused-activity');
    // The worker hears of the pause by its next heartbeat: unpaused before that, the activity would never have stopped.
    await until('the interruption', () => interrupted);
    expect(trained).toBe(1);
    await ui.confirmed('Unpause');
    expect(await environment.client.workflow.getHandle(id).result()).toMatchObject({ state: 'completed' });
    expect(trained).toBe(2);
  });
});

test('a retraining by a schedule that was made in the form', async () => {
  const registry = fakeRegistry();
  const activities = { ...fakeActivities().activities, ...registry.activities };
  await withWorkers(environment, activities, 100, async () => {
    await ui.createSchedule({
      ...{ name: 'nightly', type: 'retrain', workflowId: 'by-schedule', input: { overrides: SMALL } },
      // Every second: nobody wants to wait for the night.
      cron: '* * * * * * *',
    });
    await until('the promotion', () => registry.champion.version > 0);
    await ui.open('schedules/nightly');
    await ui.sees(/by-schedule-/);
    await screenshot(ui.page, 'ui-schedule');
    await environment.client.schedule.getHandle('nightly').delete();
  });
});

test('encrypted payloads are read with a codec server, and only with it', async () => {
  const keys = { RMR1_PAYLOAD_KEYS: `now:${randomBytes(32).toString('base64')}` };
  const converter = encryptingConverter(keys);
  const client = new Client({ connection: environment.connection, ...converter });
  await client.workflow.start('trainRewardModel', {
    ...{ taskQueue: 'nobody-listens', workflowId: 'encrypted', args: [{ startedBy: 'a secret person' }] },
  });
  const codec = new EncryptionCodec(payloadKeys(keys)!);
  const { url, server } = await startCodecServer({ codec, origins: [ui.uiUrl], port: 0 });
  try {
    await openRun('encrypted');
    await ui.sees('Workflow Execution Started');
    // Long lines are broken anywhere.
    const shown = async () => (await ui.page.locator('main').first().innerText()).replace(/\s/g, '');
    await until('the cipher text', async () => /[A-Za-z0-9+/]{60}/.test(await shown()), 20);
    expect(await shown()).not.toContain('asecretperson');
    await ui.useCodecServer(url);
    await openRun('encrypted');
    await ui.sees('a secret person');
    await screenshot(ui.page, 'ui-decrypted');
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
