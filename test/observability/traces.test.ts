/** A trace that breaks between client, workflow and activity, tells secrets, or stands in the way of a run. */
import { Client, type WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startTracing, type Tracing } from '../../infra/tracing/start.js';
import { tracesWanted } from '../../infra/tracing/settings.js';
import { temporalConfig } from '../../temporal.config.js';
import { NO_TRACES, workerTracing } from '../../workers/tracing.js';
import type { TrainRewardModelInput } from '../../workflows/inputs.js';
import * as messages from '../../workflows/messages.js';
import type { trainRewardModel } from '../../workflows/train-reward-model.js';
import { fakeActivities, type AllActivities } from '../support/fake-activities.js';
import { OtlpReceiver } from '../support/otlp-receiver.js';
import { until } from '../support/until.js';
import { startEnvironment, withWorkers } from '../support/workflow-environment.js';

/** Few shards and one judge: all that a trace has, without its length. */
const SMALL = { overrides: { 'distill.pairs': 64, 'evaluate.stages': ['grpo'] } };
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

const start = (workflowId: string, input: TrainRewardModelInput) =>
  client.workflow.start<typeof trainRewardModel>('trainRewardModel', {
    taskQueue: temporalConfig.taskQueues.orchestration,
    workflowId,
    args: [{ ...SMALL, ...input }],
  });

/** Workers that trace; `cache` 0: every task is replayed. */
async function withTracing<T>(activities: AllActivities, cache: number, use: () => Promise<T>): Promise<T> {
  const { activity, sinks } = await workerTracing(tracing);
  return withWorkers(environment, activities, cache, use, { sinks, interceptors: { activity } });
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
  await withTracing(activities, 0, async () => (await start('traced', { budget: { usd: 3 } })).result());
  await tracing.flush(10_000);
  const [begin] = receiver.named('StartWorkflow:trainRewardModel');
  const ours = receiver.spans.filter(({ traceId }) => traceId === begin!.traceId);
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
}, 180_000);

test('a run that was traced goes on with workers that do not trace; a collector that is away costs nothing', async () => {
  const { activities } = fakeActivities();
  await receiver.away(async () => {
    const handle = await withTracing(activities, 100, async () => {
      const run = await start('traced-nowhere', { gates: ['dataset', 'base'] });
      await waits(run, 'dataset');
      await run.executeUpdate(messages.approveUpdate, { args: [undefined] });
      await waits(run, 'base');
      return run;
    });
    await tracing.flush(10_000);
    const goOn = async () => {
      await handle.executeUpdate(messages.approveUpdate, { args: [undefined] });
      await handle.result();
    };
    await withWorkers(environment, activities, 0, goOn, { sinks: NO_TRACES });
    // The client's last spans: the collector must not find them when it is back.
    await tracing.flush(10_000);
  });
}, 180_000);

/** Until the run waits for approval of `stage`. */
function waits(run: WorkflowHandle<typeof trainRewardModel>, stage: string): Promise<unknown> {
  return until(`approval of ${stage}`, async () => {
    const progress = await run.query(messages.progressQuery);
    return progress.state === 'awaiting-approval' && progress.stage === stage;
  });
}

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
