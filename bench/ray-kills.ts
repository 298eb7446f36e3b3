/**
 * How long a stage on Ray stands still for whoever watches it when something is killed (−9): until the next training step
 * shows in the heartbeat of its activity. Worker, head and Temporal are started again at once, as a service manager would.
 */
import { RayJobsApi } from '../activities/ray/jobs-api.js';
import { submissionIdOf } from '../activities/ray/job-on-cluster.js';
import { LogTail } from '../activities/ray/log-tail.js';
import { type RayMachine, TINY_ON_RAY } from '../test/on-ray/ray-machine.js';
import { until } from '../test/support/until.js';
import { trainingBeat } from './heartbeat.js';
import { type BenchResult, machine, median, versions } from './result.js';

const ROUNDS = 2;
/** More steps than anything here takes; a checkpoint every few seconds. */
const OVERRIDES = { ...TINY_ON_RAY, 'sft.epochs': 2000, 'sft.checkpointEverySteps': 30 };
const STEPS_BEFORE = 40;

const VICTIMS: Record<string, (on: RayMachine) => Promise<void>> = {
  trainer: (on) => {
    for (const { pid } of on.trainers()) process.kill(pid, 'SIGKILL');
    return Promise.resolve();
  },
  head: async ({ ray }) => {
    await ray.kill9();
    await ray.restart();
  },
  worker: async ({ machine: host }) => {
    host.killWorker();
    await host.startWorker();
  },
  Temporal: async ({ machine: host }) => {
    await host.temporal.kill9();
    await host.temporal.restart();
  },
};

export async function measureKills(on: RayMachine): Promise<BenchResult[]> {
  const results: BenchResult[] = [];
  let seed = 300;
  for (const victim of Object.keys(VICTIMS)) {
    const seconds: number[] = [];
    for (let round = 1; round <= ROUNDS; round++) {
      seconds.push(await standstill(on, ++seed, victim));
      process.stderr.write(`  kill of ${victim}, round ${round}: ${seconds.at(-1)!.toFixed(1)} s\n`);
    }
    const ours = median(seconds);
    results.push({
      ...{ name: 'ray', case: `from the kill of ${victim} to the next step`, ratio: null, goal: null },
      ...{ ours, peer: null, unit: 's', runs: { ours: seconds }, machine: machine(), versions: versions() },
    });
  }
  return results;
}

async function standstill(on: RayMachine, seed: number, victim: string): Promise<number> {
  const kill = VICTIMS[victim]!;
  const { machine: host } = on;
  await host.ensureWorker();
  const workflowId = `bench-ray-kills-${seed}`;
  const known = new Set(await jobsOf(on));
  const handle = await host.start('sft', { seed, overrides: OVERRIDES }, workflowId);
  const beat = await until(
    'a few training steps',
    async () => {
      const found = await trainingBeat(host, workflowId);
      return found && found.step >= STEPS_BEFORE ? found : undefined;
    },
    300,
  );
  const key = (await jobsOf(on)).find((each) => !known.has(each))!;
  await host.checkpointFrom(key, 30);
  const began = performance.now();
  await kill(on);
  // Only Temporal's death leaves activity and job as they were: steps made meanwhile do not count.
  const made = victim === 'Temporal' ? await newestStep(on, submissionIdOf('sft', key, 1)) : Infinity;
  await until(
    'the next training step',
    async () => {
      const now = await trainingBeat(host, workflowId);
      if (!now?.training) return false;
      return now.attempt > beat.attempt ? now.step !== beat.step : now.step > made;
    },
    300,
  );
  const seconds = (performance.now() - began) / 1000;
  // A run that is terminated leaves its job at work; one that is cancelled ends it.
  await handle.cancel();
  await handle.result().catch(() => undefined);
  await until('the trainer to end', () => on.trainers().length === 0, 120);
  return seconds;
}

async function newestStep({ ray }: RayMachine, submissionId: string): Promise<number> {
  const log = (await new RayJobsApi({ address: ray.address }).log(submissionId)) ?? '';
  const steps = new LogTail()
    .take(`${log}\n`)
    .flatMap((event) => (event.type === 'progress' ? event.metrics.step : []));
  return Math.max(0, ...steps);
}

/** Stage keys that have a job on Ray. */
async function jobsOf({ machine: host }: RayMachine): Promise<string[]> {
  const keys = await host.store.listKeys('checkpoints/');
  return keys.filter((key) => key.endsWith('/ray/job.json')).map((key) => key.split('/')[1]!);
}
