/** Metrics that nobody can scrape, and a board or an alarm on a metric that does not exist. */
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { parser } from '@prometheus-io/lezer-promql';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { METRICS, countSpend } from '../../activities/metrics.js';
import { FiguresReporter } from '../../activities/training/figures.js';
import { projectRoot } from '../../infra/environment.js';
import { resolveBinary } from '../../infra/local/binaries.js';
import { temporalConfig } from '../../temporal.config.js';
import { measureQueues, metricsOptions } from '../../workers/metrics.js';
import { fakeActivities } from '../support/fake-activities.js';
import { until } from '../support/until.js';
import { endWorkflowWorker, withWorkers } from '../support/workflow-environment.js';

let environment: TestWorkflowEnvironment;
let address: string;

beforeAll(async () => {
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  address = `127.0.0.1:${(probe.address() as AddressInfo).port}`;
  await new Promise((resolve) => probe.close(resolve));
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: metricsOptions({ RMR1_METRICS_ADDRESS: address }),
  });
  const { path } = await resolveBinary('temporal');
  environment = await TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path },
      searchAttributes: Object.entries(temporalConfig.searchAttributes).map(([name, type]) => ({
        name,
        type,
      })),
    },
  });
});
afterAll(() => environment?.teardown());

const scrape = async () => (await fetch(`http://${address}/metrics`)).text();
/** Value of the first sample of `name` with all of `labels`. */
function sample(text: string, name: string, ...labels: string[]): number | undefined {
  const line = text
    .split('\n')
    .find((each) => each.startsWith(`${name}{`) && labels.every((label) => each.includes(label)));
  return line === undefined ? undefined : Number(line.slice(line.lastIndexOf(' ') + 1));
}

test('what a trainer and an oracle report can be scraped, with run and stage', async () => {
  const { activities } = fakeActivities();
  const train = activities.trainModel;
  const began = Date.now() / 1000;
  let whileActive: string | undefined;
  activities.trainModel = async (input) => {
    if (input.stage === 'grpo') {
      const reporter = new FiguresReporter('grpo', environment.client, []);
      const metrics = {
        step: 3,
        tokens: 9,
        seconds: 1,
        learningRate: 1,
        gradNorm: 1,
        loss: 1,
        // The worst there is, and what rounding may make of no divergence.
        reward: -1,
        kl: -1e-12,
      };
      reporter.take({ type: 'progress', total: 60, metrics, tokensPerSecond: 1234 });
      reporter.checkpointStored();
      whileActive = await scrape();
      reporter.stop();
    }
    return train(input);
  };
  const build = activities.buildSftSet;
  let failed = false;
  activities.buildSftSet = async (input) => {
    if (failed) return build(input);
    failed = true;
    throw new Error('once');
  };
  const judge = activities.judgeWithOracle;
  activities.judgeWithOracle = async (input) => {
    countSpend('world-oracle-a', 0.5);
    return judge(input);
  };
  const { orchestration, training } = temporalConfig.taskQueues;
  await withWorkers(environment, activities, 100, () =>
    environment.client.workflow.execute('trainRewardModel', {
      taskQueue: orchestration,
      workflowId: 'measured',
      args: [
        { overrides: { 'distill.pairs': 64, 'distill.secondPass': false, 'evaluate.stages': ['grpo'] } },
      ],
    }),
  );
  const labels = ['run="measured/grpo"', 'stage="grpo"', `taskQueue="${training}"`];
  const of = (name: string, text = whileActive!) => sample(text, name, ...labels);
  expect({ step: of('rmr1_stage_step'), steps: of('rmr1_stage_steps') }).toEqual({ step: 3, steps: 60 });
  expect([of('rmr1_rollout_accuracy'), of('rmr1_kl'), of('rmr1_tokens_per_second')]).toEqual([0, 0, 1234]);
  expect(of('rmr1_checkpoint_timestamp_seconds')).toBeGreaterThanOrEqual(began);
  expect(of('rmr1_heartbeat_timestamp_seconds')).toBeGreaterThanOrEqual(began);
  const after = await scrape();
  expect([of('rmr1_stage_active'), of('rmr1_stage_active', after)]).toEqual([1, 0]);
  // Those of the SDK that board and alarms rely on.
  expect(sample(after, 'temporal_activity_execution_failed_total', 'activity_type="buildSftSet"')).toBe(1);
  expect(
    sample(after, 'temporal_worker_task_slots_available', 'worker_type="ActivityWorker"'),
  ).toBeGreaterThan(0);
  expect(sample(after, 'rmr1_oracle_spend_microusd_total', 'model="world-oracle-a"')).toBeGreaterThanOrEqual(
    500_000,
  );
});

test('tasks that nobody takes are counted as backlog', async () => {
  const { orchestration } = temporalConfig.taskQueues;
  await endWorkflowWorker(environment);
  const waiting = await environment.client.workflow.start('trainRewardModel', {
    taskQueue: orchestration,
    workflowId: 'waits',
    args: [{}],
  });
  const queue = [`queue="${orchestration}"`, 'kind="workflow"'];
  await until('the backlog', async () => {
    await measureQueues(environment.client);
    return (sample(await scrape(), 'rmr1_queue_backlog', ...queue) ?? 0) >= 1;
  });
  await waiting.terminate();
});

/** Metrics of the SDK that we rely on; the first test's worker has exported them. */
const OF_THE_SDK = ['temporal_activity_execution_failed_total', 'temporal_worker_task_slots_available'];
const OF_PROMETHEUS = ['up'];

/** Names of metrics in a PromQL expression. @throws where it does not parse. */
function metricsOf(expression: string): string[] {
  const names: string[] = [];
  parser.parse(expression).iterate({
    enter: (node) => {
      if (node.type.isError) throw new Error(`'${expression}' does not parse at ${node.from}`);
      if (node.name === 'VectorSelector') {
        const name = node.node.getChild('Identifier');
        if (name) names.push(expression.slice(name.from, name.to));
      }
    },
  });
  return names;
}

const read = (name: string) => readFileSync(join(projectRoot(), 'infra/observability', name), 'utf8');
const alerts = z
  .strictObject({
    groups: z.array(
      z.strictObject({
        name: z.string(),
        rules: z.array(
          z.strictObject({
            alert: z.string().regex(/^[A-Z]\w+$/),
            expr: z.string(),
            for: z
              .string()
              .regex(/^\d+[smh]$/)
              .optional(),
            labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }),
            annotations: z.strictObject({ summary: z.string().min(10) }),
          }),
        ),
      }),
    ),
  })
  .parse(parse(read('alerts.yaml')));
const board = z
  .object({
    panels: z.array(
      z.object({ id: z.int(), title: z.string(), targets: z.array(z.object({ expr: z.string() })) }),
    ),
  })
  .parse(JSON.parse(read('board.json')));

test('board and alarms are PromQL over metrics that exist', async () => {
  const rules = alerts.groups.flatMap((group) => group.rules);
  const panels = board.panels;
  expect(rules.length).toBeGreaterThan(5);
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const expressions = [
    ...rules.map(({ expr }) => expr),
    ...panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ];
  const known = new Set([
    ...Object.keys(METRICS).map((name) => (name.endsWith('_microusd') ? `${name}_total` : name)),
    ...OF_THE_SDK,
    ...OF_PROMETHEUS,
  ]);
  const used = new Set(expressions.flatMap(metricsOf));
  expect([...used].filter((name) => !known.has(name))).toEqual([]);
  expect(Object.keys(METRICS).filter((name) => ![...used].some((each) => each.startsWith(name)))).toEqual([]);
  expect(() => metricsOf('sum by (x (rmr1_kl)')).toThrow(/does not parse/);
});

test('every alarm has its line in the operations manual', () => {
  const manual = readFileSync(join(projectRoot(), 'docs/operations.md'), 'utf8');
  for (const { alert } of alerts.groups.flatMap((group) => group.rules))
    expect(manual).toContain(`\`${alert}\``);
});
