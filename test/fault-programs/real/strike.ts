/** A fault of a program on real processes and servers: struck, and put right again as an operator's machinery would. */
import { setTimeout as delay } from 'node:timers/promises';
import { isRunning } from '../../../infra/local/process.js';
import type { MachineUnderFault } from '../../matrix/machine-under-fault.js';
import { HEARTBEAT_SECONDS } from '../../support/machine.js';
import { until } from '../../support/until.js';
import type { Fault } from '../program.js';

/** How long servers and networks are away: shorter than patience, longer than a retry. */
const AWAY_MS = 3_000;

/**
 * Strike. What the simulation counts in events is time here: a zombie wakes that many tenths of a second after it is
 * given up.
 * @returns what was struck, in words, and the end of what goes on by itself.
 */
export async function strikeReal(
  fault: Fault,
  { machine, proxies, workerEnvironment }: MachineUnderFault,
): Promise<{ struck: string; settled?: Promise<void> }> {
  switch (fault.kind) {
    case 'kill-worker': {
      const worker = await machine.ensureWorker(workerEnvironment);
      process.kill(worker.pid, 'SIGKILL');
      await until('the end of the worker', () => !isRunning(worker), 10);
      await machine.startWorker(workerEnvironment);
      return { struck: 'worker −9' };
    }
    case 'kill-trainer': {
      const trainer = machine.trainers()[0];
      if (!trainer) return { struck: 'no trainer to kill' };
      process.kill(trainer.pid, 'SIGKILL');
      return { struck: 'trainer −9' };
    }
    case 'zombie': {
      const zombie = await machine.ensureWorker(workerEnvironment);
      process.kill(zombie.pid, 'SIGSTOP');
      const wakes = delay(HEARTBEAT_SECONDS * 1000 + fault.wakeAfter * 100).then(() => {
        if (isRunning(zombie)) process.kill(zombie.pid, 'SIGCONT');
      });
      await machine.startWorker(workerEnvironment);
      return {
        struck: `worker stands still for ${HEARTBEAT_SECONDS + fault.wakeAfter / 10} s`,
        settled: wakes,
      };
    }
    case 'store-away':
      if (fault.when === 'before') {
        await machine.s3.kill9();
        await delay(AWAY_MS);
        await machine.s3.restart();
        return { struck: 'S3 −9' };
      }
      proxies.s3.poison('half-open');
      await delay(AWAY_MS);
      proxies.s3.heal();
      return { struck: 'S3 does not answer' };
    case 'answer-lost':
      proxies.s3.poison('reset');
      return { struck: 'connections to S3 reset' };
    case 'temporal-away':
      await machine.temporal.kill9();
      await delay(AWAY_MS);
      await machine.temporal.restart();
      return { struck: 'Temporal −9' };
  }
}
