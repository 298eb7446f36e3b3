/** Metrics for Prometheus: the SDK's own (`temporal_…`), those of `activities/metrics.ts`, and how long the queues are. */
import type { Client } from '@temporalio/client';
import proto from '@temporalio/proto';
import { Runtime, type TelemetryOptions } from '@temporalio/worker';
import { gauge } from '../activities/metrics.js';
import { temporalConfig } from '../temporal.config.js';

const { TaskQueueType } = proto.temporal.api.enums.v1;
const KINDS = {
  workflow: TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
  activity: TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
};
const LOOK_EVERY_MS = 15_000;

/** Where `RMR1_METRICS_ADDRESS` (`127.0.0.1:9464`) is set, metrics are served there below `/metrics`. */
export function metricsOptions(env: NodeJS.ProcessEnv = process.env): Pick<TelemetryOptions, 'metrics'> {
  const bindAddress = env.RMR1_METRICS_ADDRESS;
  if (!bindAddress) return {};
  return {
    metrics: { prometheus: { bindAddress, countersTotalSuffix: true, useSecondsForDurations: true } },
  };
}

/** Look at the queues now and then, where anybody can see it. @returns what ends it. */
export function watchQueues(client: Client, env: NodeJS.ProcessEnv = process.env): () => void {
  if (!env.RMR1_METRICS_ADDRESS) return () => undefined;
  // A server that is away is seen elsewhere; the gauge keeps its value.
  const look = () => void measureQueues(client).catch(() => undefined);
  look();
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  return () => clearInterval(timer);
}

/** Set `rmr1_queue_backlog` of every queue, as the server estimates it. */
export async function measureQueues({ workflowService, options: { namespace } }: Client): Promise<void> {
  const meter = Runtime.instance().metricMeter;
  for (const queue of Object.values(temporalConfig.taskQueues))
    for (const [kind, taskQueueType] of Object.entries(KINDS)) {
      const { stats } = await workflowService.describeTaskQueue({
        namespace,
        taskQueue: { name: queue },
        taskQueueType,
        reportStats: true,
      });
      gauge(
        meter.withTags({ queue, kind }),
        'rmr1_queue_backlog',
        Number(stats?.approximateBacklogCount ?? 0),
      );
    }
}
