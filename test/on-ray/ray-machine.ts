/** A machine of the tests with a Ray head beside its servers. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../../infra/environment.js';
import { resolveRayEnvironment } from '../../infra/local/ray-python.js';
import { isRunning } from '../../infra/local/process.js';
import { type RayServer, startRay } from '../../infra/local/ray.js';
import { TestMachine } from '../support/machine.js';
import { allProcesses, type SeenProcess } from '../support/processes.js';
import { TINY } from '../support/tiny-recipe.js';

/** The tiny recipe for both engines: enough steps to be killed between checkpoints, few enough for a CPU. */
export const TINY_EMBEDDED: Record<string, unknown> = {
  ...TINY,
  'sft.epochs': 8,
  'sft.checkpointEverySteps': 5,
  'grpo.steps': 8,
  'grpo.checkpointEverySteps': 2,
  'reward.epochs': 3,
};

export const TINY_ON_RAY: Record<string, unknown> = {
  ...TINY_EMBEDDED,
  engine: 'ray',
  'ray.samplesPerDevice': 16,
};

/** One process on the CPUs of each node. */
export const REWARD_ON_TWO_NODES: Record<string, unknown> = {
  ...TINY_ON_RAY,
  'ray.nodes': 2,
  'ray.samplesPerDevice': 2,
};

export interface RayMachine {
  machine: TestMachine;
  ray: RayServer;
  /** Where plans to hold jobs are written. */
  crashPoints: string;
  /** Where the stand-in for vLLM is steered, see `infra/ray/tests/stand_in_vllm.py`. */
  standIn: string;
  /** Trainers of any attempt at work on this head. */
  trainers(): SeenProcess[];
  /** After a test that failed half-way: servers run, no run and no trainer is left of it. */
  recover(): Promise<void>;
  stop(): Promise<void>;
}

export async function startRayMachine(): Promise<RayMachine> {
  const environment = await resolveRayEnvironment({
    onProgress: (message) => process.stderr.write(`${message}\n`),
  });
  const machine = await TestMachine.start();
  try {
    const { accessKeyId = '', secretAccessKey = '' } = machine.s3.settings;
    const crashPoints = join(machine.home, 'crash-points');
    const standIn = join(machine.home, 'stand-in');
    await mkdir(standIn);
    const ray = await startRay({
      environment,
      dir: join(machine.home, 'ray'),
      cpus: 2,
      variables: {
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        RMR1_CRASH_POINTS: crashPoints,
        RMR1_VLLM_COMMAND: `python ${join(projectRoot(), 'infra/ray/tests/stand_in_vllm.py')} serve`,
        STAND_IN_DIR: standIn,
      },
    });
    machine.workerVariables = { RMR1_RAY_ADDRESS: ray.address };
    return {
      machine,
      ray,
      crashPoints,
      standIn,
      trainers: () => trainersOf(environment),
      recover: async () => {
        if (!isRunning(machine.temporal.process())) await machine.temporal.restart();
        for await (const { workflowId } of machine.client.workflow.list({
          query: 'ExecutionStatus = "Running"',
        }))
          await machine.client.workflow
            .getHandle(workflowId)
            .terminate()
            .catch(() => undefined);
        await machine.stopWorkers();
        for (const { pid } of trainersOf(environment)) process.kill(pid, 'SIGKILL');
        if (!isRunning(ray.process())) await ray.restart();
      },
      stop: async () => {
        await machine.stopWorkers();
        await ray.stop();
        for (const { pid } of trainersOf(environment)) process.kill(pid, 'SIGKILL');
        await machine.stop();
      },
    };
  } catch (error) {
    await machine.stop();
    throw error;
  }
}

/** Ray starts them by a shell, which has the same words on its command line and is not meant. */
function trainersOf(environment: string): SeenProcess[] {
  return allProcesses().filter(
    ({ command }) =>
      command.startsWith('python -m rmr1_ray') || command.startsWith(`${environment}/bin/python -m rmr1_ray`),
  );
}
