/** What workers measure about their work; exported for Prometheus where `RMR1_METRICS_ADDRESS` is set, else dropped. */
import { Context } from '@temporalio/activity';
import type { MetricMeter } from '@temporalio/common';
import { describeActivity } from '../infra/tracing/trainer-spans.js';
import type { StageName } from '../workflows/inputs.js';
import type { StageFigures } from '../workflows/messages.js';

/** Every metric of ours by name. Gauges keep their last value when a stage ends: `rmr1_stage_active` tells. */
export const METRICS = {
  rmr1_stage_active: '1 while this worker works on the stage, then 0',
  rmr1_stage_step: 'steps, questions or items done',
  rmr1_stage_steps: 'steps, questions or items in all',
  rmr1_tokens_per_second: 'trained or generated tokens per second',
  rmr1_rollout_accuracy: 'share of right verdicts among the rollouts of the last GRPO step',
  rmr1_kl: 'mean k3 KL divergence from the reference of the last GRPO step',
  rmr1_loss: 'loss of the last supervised step',
  rmr1_accuracy: 'share of right verdicts so far',
  rmr1_checkpoint_timestamp_seconds: 'when the newest checkpoint was complete in the store, Unix time',
  rmr1_heartbeat_timestamp_seconds: 'when the activity last reported itself, Unix time',
  rmr1_oracle_spend_microusd: 'counter: paid for oracle answers, in millionths of a USD',
  rmr1_queue_backlog: 'tasks that wait for a worker, by queue and kind',
} as const;
export type MetricName = keyof typeof METRICS;

export function gauge(meter: MetricMeter, name: MetricName, value: number): void {
  meter.createGauge(name, 'float', undefined, METRICS[name]).set(value);
}

const now = () => Date.now() / 1000;

/** Metrics of the stage that the current activity works on, which its trace is told too. */
export class StageMetrics {
  private readonly meter: MetricMeter;

  constructor(stage: StageName) {
    const { metricMeter, info } = Context.current();
    this.meter = metricMeter.withTags({ stage, run: info.workflowExecution?.workflowId ?? '' });
    describeActivity({ stage });
    gauge(this.meter, 'rmr1_stage_active', 1);
    // Counts from here: a stage without any checkpoint yet is as old as its beginning.
    gauge(this.meter, 'rmr1_checkpoint_timestamp_seconds', now());
    this.beat();
  }

  beat(): void {
    gauge(this.meter, 'rmr1_heartbeat_timestamp_seconds', now());
  }

  checkpoint(): void {
    gauge(this.meter, 'rmr1_checkpoint_timestamp_seconds', now());
  }

  show({ step, total, tokensPerSecond, reward, kl, loss, accuracy }: StageFigures): void {
    const values = {
      rmr1_stage_step: step,
      rmr1_stage_steps: total,
      rmr1_tokens_per_second: tokensPerSecond,
      // Gauges of the SDK refuse negative numbers: the ±1 reward is shown as the share that earned +1.
      rmr1_rollout_accuracy: reward === undefined ? undefined : Math.max(0, (1 + reward) / 2),
      rmr1_kl: kl === undefined ? undefined : Math.max(0, kl),
      rmr1_loss: loss,
      rmr1_accuracy: accuracy,
    } satisfies Partial<Record<MetricName, number | undefined>>;
    for (const [name, value] of Object.entries(values))
      if (value !== undefined) gauge(this.meter, name as MetricName, value);
  }

  end(): void {
    gauge(this.meter, 'rmr1_stage_active', 0);
  }
}

/** Count what an answer of the oracle cost. @param usd 0 or more. */
export function countSpend(model: string, usd: number): void {
  const name = 'rmr1_oracle_spend_microusd';
  Context.current()
    .metricMeter.createCounter(name, undefined, METRICS[name])
    .add(Math.round(usd * 1e6), { model });
}
