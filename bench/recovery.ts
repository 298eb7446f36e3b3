/** How long a run stands still when its worker is killed: from −9 to the next training step of another worker. */
import { TestMachine, HEARTBEAT_SECONDS } from '../test/support/machine.js';
import { until } from '../test/support/until.js';
import { trainingBeat } from './heartbeat.js';
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
  const step = (await trainingBeat(host, workflowId))?.step;
  return step !== undefined && step >= least ? step : undefined;
}

/** A later attempt has trained at least one step. */
async function resumedStep(host: TestMachine, workflowId: string, before: number): Promise<boolean> {
  const beat = await trainingBeat(host, workflowId);
  return beat !== undefined && beat.attempt > 1 && beat.training && beat.step !== before;
}
