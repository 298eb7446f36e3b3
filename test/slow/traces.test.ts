/** One trace from the client to the steps of a trainer, on real servers, worker and trainers. */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { connect } from '../../client/reward-model-client.js';
import { TestMachine } from '../support/machine.js';
import { OtlpReceiver } from '../support/otlp-receiver.js';
import { TINY } from '../support/tiny-recipe.js';
import { until } from '../support/until.js';

const COLLECTOR_KEY = 'key-of-the-collector';
const SHORT = { ...TINY, 'sft.epochs': 4, 'grpo.steps': 4 };

let machine: TestMachine;
let receiver: OtlpReceiver;
beforeAll(async () => {
  machine = await TestMachine.start();
  receiver = await OtlpReceiver.start();
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await machine?.stop();
  await receiver?.stop();
});

test('a run is one trace down to the steps and checkpoints of its trainers', async () => {
  const collector = {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_HEADERS: `authorization=${COLLECTOR_KEY}`,
  };
  for (const [name, value] of Object.entries(collector)) vi.stubEnv(name, value);
  machine.workerVariables = collector;
  await machine.startWorker();
  await using client = await connect({ address: machine.temporal.address });
  const run = await client.train({ overrides: SHORT }, { workflowId: 'traced' });
  await run.result();
  await client.close();
  // Orderly: the last spans are sent on the way out.
  await machine.stopWorkers();

  const [start] = receiver.named('StartWorkflow:trainRewardModel');
  const trainers = await until('the spans of all trainers', () => {
    const spans = receiver.spans.filter(({ service }) => service === 'rmr1-trainer');
    return spans.some(({ name }) => name === 'trainer grpo') ? spans : undefined;
  });
  expect(receiver.spans.filter(({ traceId }) => traceId !== start!.traceId)).toEqual([]);
  const ofSft = trainers.filter(({ attributes }) => attributes['rmr1.stage'] === 'sft');
  const checkpoint = ofSft.find(({ name }) => name === 'write checkpoint');
  expect(receiver.above(checkpoint!)).toEqual([
    'trainer supervised',
    'RunActivity:trainModel',
    'StartActivity:trainModel',
    'RunWorkflow:sft',
    'StartChildWorkflow:sft',
    'RunWorkflow:trainRewardModel',
    'StartWorkflow:trainRewardModel',
  ]);
  expect(checkpoint!.attributes).toMatchObject({ 'rmr1.run': 'traced', 'rmr1.attempt': 1 });

  // Every step is in one batch, and batches end where checkpoints are.
  const batches = ofSft
    .filter(({ name }) => name === 'train steps')
    .map(({ attributes }) => [Number(attributes['rmr1.step.first']), Number(attributes['rmr1.step.last'])]);
  batches.sort(([a], [b]) => a! - b!);
  expect(batches[0]![0]).toBe(1);
  for (const [index, [first]] of batches.entries())
    if (index > 0) expect(first).toBe(batches[index - 1]![1]! + 1);
  const saved = ofSft
    .filter(({ name }) => name === 'write checkpoint')
    .map((span) => Number(span.attributes['rmr1.step']));
  expect(batches.slice(0, -1).map(([, last]) => last)).toEqual(expect.arrayContaining(saved));
  expect(saved.length).toBeGreaterThan(0);

  // The collector's key stays with the worker: it is in no span, log, history or object.
  expect(receiver.headers['authorization']).toBe(COLLECTOR_KEY);
  expect(receiver.bodies).not.toContain(COLLECTOR_KEY);
  for await (const { name, text } of machine.leftovers())
    expect(text.includes(COLLECTOR_KEY), name).toBe(false);
});
