/** How long a run stands still when its worker is killed: from −9 to the next training step of another worker. */
import { TestMachine, HEARTBEAT_SECONDS } from '../test/support/machine.js';
import { until } from '../test/support/until.js';
import { type BenchResult, machine, median, versions } from './result.js';

const ROUNDS = 3;

export async function run(): Promise<BenchResult[]> {
  const host = await TestMachine.start();
  const seconds: number[] = [];
  try {
    await host.startWorker();
    for (let round = 1; round <= ROUNDS; round++) {
      const workflowId = `bench-recovery-${round}`;
      const overrides = { 'base.documents': 20_000, 'base.checkpointEverySteps': 10 };
      const handle = await host.start('trainRewardModel', { seed: 200 + round, overrides }, workflowId);
      const before = await until('a few training steps', () => stepOf(host, workflowId, 30), 300);
      const began = performance.now();
      host.killWorker();
      await host.startWorker();
      await until('the next training step', () => resumedStep(host, workflowId, before), 300);
      seconds.push((performance.now() - began) / 1000);
      await handle.terminate('measured');
      await until('the trainer to end', () => host.trainers().length === 0, 60);
    }
  } finally {
    await host.stop();
  }
  const ours = median(seconds);
  return [
    {
      name: 'recovery',
      ratio: ours / HEARTBEAT_SECONDS,
      goal: null,
      ours,
      peer: HEARTBEAT_SECONDS,
      unit: 's',
      runs: { ours: seconds },
      machine: machine(),
      versions: versions(),
    },
  ];
}

/** Step by the pending activity's heartbeat, once it is at least `least`. */
async function stepOf(host: TestMachine, workflowId: string, least: number): Promise<number | undefined> {
  const step = (await heartbeat(host, workflowId))?.step;
  return step !== undefined && step >= least ? step : undefined;
}

/** A later attempt has trained at least one step. */
async function resumedStep(host: TestMachine, workflowId: string, before: number): Promise<boolean> {
  const beat = await heartbeat(host, workflowId);
  return beat !== undefined && beat.attempt > 1 && beat.training && beat.step !== before;
}

async function heartbeat(host: TestMachine, workflowId: string) {
  const { raw } = await host.client.workflow.getHandle(workflowId).describe();
  const activity = raw.pendingActivities?.find(({ activityType }) => activityType?.name === 'trainModel');
  const data = activity?.heartbeatDetails?.payloads?.[0]?.data;
  if (!activity || !data) return undefined;
  const { figures } = JSON.parse(Buffer.from(data).toString('utf8')) as {
    figures?: { step: number; loss?: number };
  };
  return (
    figures && { step: figures.step, training: figures.loss !== undefined, attempt: activity.attempt ?? 1 }
  );
}
