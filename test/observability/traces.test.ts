/** A trace that breaks between client, workflow and activity, tells secrets, or stands in the way of a run. */
import { Client } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startTracing, type Tracing } from '../../infra/tracing/start.js';
import { tracesWanted } from '../../infra/tracing/settings.js';
import { temporalConfig } from '../../temporal.config.js';
import { workerTracing } from '../../workers/tracing.js';
import { fakeActivities } from '../support/fake-activities.js';
import { OtlpReceiver } from '../support/otlp-receiver.js';
import {
  startEnvironment,
  tracedWorkflowBundle,
  withWorkers,
  workflowBundle,
} from '../support/workflow-environment.js';

const SECRET = 'planted-secret-of-a-trace';

let environment: TestWorkflowEnvironment;
let receiver: OtlpReceiver;
let tracing: Tracing;
let client: Client;

beforeAll(async () => {
  environment = await startEnvironment();
  receiver = await OtlpReceiver.start();
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.url);
  vi.stubEnv('OTEL_EXPORTER_OTLP_HEADERS', 'x-collector-key=collector');
  vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'deployment.environment=test');
  vi.stubEnv('RMR1_PLANTED_TOKEN', SECRET);
  tracing = (await startTracing('client'))!;
  const { connection, namespace } = environment.client as unknown as Client & { namespace: string };
  client = new Client({ connection, namespace, interceptors: { workflow: tracing.clientInterceptors } });
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await receiver?.stop();
  await environment?.teardown();
});

async function tracedRun(
  workflowId: string,
  cache: number,
  activities = fakeActivities().activities,
): Promise<void> {
  const { activity, sinks } = await workerTracing(tracing);
  const options = { sinks, interceptors: { activity }, workflowBundle: await tracedWorkflowBundle() };
  await withWorkers(
    environment,
    activities,
    cache,
    async () => {
      const { orchestration } = temporalConfig.taskQueues;
      const args = [{ budget: { usd: 3 } }];
      const handle = await client.workflow.start('trainRewardModel', {
        taskQueue: orchestration,
        workflowId,
        args,
      });
      await handle.result();
    },
    options,
  );
  await tracing.flush(10_000);
}

test('client, workflow, child workflows and activities are one trace, by run and stage', async () => {
  let refused = false;
  const fakes = fakeActivities().activities;
  const { activities } = fakeActivities({
    buildSftSet: async (input) => {
      if (refused) return fakes.buildSftSet(input);
      refused = true;
      throw new Error(`the store says: ${SECRET} is not welcome`);
    },
  });
  // Every task is replayed: a span that a replay sends twice, or under another id, is found.
  await tracedRun('traced', 0, activities);
  const [start] = receiver.named('StartWorkflow:trainRewardModel');
  const ours = receiver.spans.filter(({ traceId }) => traceId === start!.traceId);
  expect(receiver.spans.filter((span) => !ours.includes(span))).toEqual([]);
  expect(new Set(ours.map(({ spanId }) => spanId)).size).toBe(ours.length);

  const [training] = receiver
    .named('RunActivity:trainModel')
    .filter(({ attributes }) => attributes['rmr1.stage'] === 'sft');
  expect(receiver.above(training!)).toEqual([
    'StartActivity:trainModel',
    'RunWorkflow:sft',
    'StartChildWorkflow:sft',
    'RunWorkflow:trainRewardModel',
    'StartWorkflow:trainRewardModel',
  ]);
  expect(training!.attributes).toMatchObject({ 'rmr1.run': 'traced', 'rmr1.attempt': 1 });
  expect(ours.every(({ attributes }) => attributes['rmr1.run'] === 'traced')).toBe(true);
  expect(new Set(ours.map(({ service }) => service))).toEqual(new Set(['rmr1-client', 'rmr1-workflow']));
  expect(receiver.headers['x-collector-key']).toBe('collector');

  const failed = receiver.named('RunActivity:buildSftSet');
  expect(failed.map(({ attributes }) => attributes['rmr1.attempt']).sort()).toEqual([1, 2]);
  expect(receiver.bodies).toContain('[RMR1_PLANTED_TOKEN] is not welcome');
  expect(receiver.bodies).not.toMatch(new RegExp(`${SECRET}|x-collector-key|budget|stack`));
});

test('a run that was traced goes on with workers that do not trace, and a collector that is away costs nothing', async () => {
  await receiver.stop();
  await tracedRun('traced-nowhere', 100);
  const histories = await Promise.all(
    ['traced-nowhere', 'traced-nowhere/sft', 'traced-nowhere/distill'].map(async (workflowId) => ({
      workflowId,
      history: await client.workflow.getHandle(workflowId).fetchHistory(),
    })),
  );
  const results = Worker.runReplayHistories({ workflowBundle: await workflowBundle() }, histories);
  for await (const { workflowId, error } of results) expect({ workflowId, error }).toEqual({ workflowId });
});

test('nothing is traced without a collector, and a protocol that is not spoken is refused by name', () => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };
  expect(tracesWanted({})).toBe(false);
  expect(tracesWanted(endpoint)).toBe(true);
  expect(tracesWanted({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:4318/v1/traces' })).toBe(true);
  expect(tracesWanted({ ...endpoint, OTEL_SDK_DISABLED: 'true' })).toBe(false);
  expect(tracesWanted({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' })).toBe(false);
  expect(() => tracesWanted({ ...endpoint, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })).toThrow(
    "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'",
  );
});
