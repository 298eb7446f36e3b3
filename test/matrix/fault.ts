/** The six victims: what is done to each while a process stands at a crash point, and how things are put right again. */
import { setTimeout as delay } from 'node:timers/promises';
import { isRunning } from '../../infra/local/process.js';
import type { FaultProxy, Toxic } from '../support/fault-proxy.js';
import type { TestMachine } from '../support/machine.js';
import { until } from '../support/until.js';
import type { Victim } from './cells.js';
import { seeded } from './covering.js';

/** How long servers and networks are away: shorter than patience, longer than a retry. */
const AWAY_MS = 3_000;
const TOXICS: readonly Toxic[] = ['latency', 'reset', 'cut', 'half-open'];

export interface Scene {
  machine: TestMachine;
  proxies: { temporal: FaultProxy; s3: FaultProxy };
  workerEnvironment: Record<string, string>;
  /** The workflow whose activity is held. */
  workflowId: string;
  /** Let the held process go on. */
  release: () => Promise<void>;
}

/** Which network goes bad and how: part of the cell, drawn from the seed. */
export function networkFault(cellId: string, seed: number): { link: 'temporal' | 's3'; toxic: Toxic } {
  let hash = seed;
  for (const character of cellId) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193);
  const random = seeded(hash);
  return { link: random() < 0.5 ? 'temporal' : 's3', toxic: TOXICS[Math.floor(random() * TOXICS.length)]! };
}

/** Strike `victim`, let the held process go on, and see to it that everything needed is there again. */
export async function strike(victim: Victim, scene: Scene, network: ReturnType<typeof networkFault>) {
  const { machine, release } = scene;
  switch (victim) {
    case 'trainer': {
      const trainer = machine.trainers()[0];
      if (!trainer) throw new Error('No trainer runs at this moment.');
      process.kill(trainer.pid, 'SIGKILL');
      await until('the end of the trainer', () => !isRunning(trainer), 10);
      return release();
    }
    case 'worker': {
      const worker = machine.killWorker();
      await until('the end of the worker', () => !isRunning(worker), 10);
      await until('the end of its trainers', () => machine.trainers().length === 0, 10);
      await machine.startWorker(scene.workerEnvironment);
      return release();
    }
    case 'zombie':
      return freezeWorker(scene);
    case 'temporal':
      await machine.temporal.kill9();
      await release();
      await delay(AWAY_MS);
      return machine.temporal.restart();
    case 's3':
      await machine.s3.kill9();
      await release();
      await delay(AWAY_MS);
      return machine.s3.restart();
    case 'network': {
      const proxy = scene.proxies[network.link];
      proxy.poison(network.toxic);
      await release();
      await delay(AWAY_MS);
      return proxy.heal();
    }
  }
}

/** Stop the worker until another one has taken its activity over, then let it go on with what it was doing. */
async function freezeWorker({ machine, workerEnvironment, workflowId, release }: Scene): Promise<void> {
  const zombie = await machine.ensureWorker();
  process.kill(zombie.pid, 'SIGSTOP');
  try {
    await machine.startWorker(workerEnvironment);
    await until('a second attempt', () => secondAttempt(machine, workflowId), 90);
  } finally {
    process.kill(zombie.pid, 'SIGCONT');
  }
  await release();
}

async function secondAttempt(machine: TestMachine, workflowId: string): Promise<boolean> {
  const { raw } = await machine.client.workflow.getHandle(workflowId).describe();
  const pending = raw.pendingActivities ?? [];
  return pending.length === 0 || pending.some(({ attempt }) => (attempt ?? 1) > 1);
}
