/** A machine whose workers reach its servers through proxies, on which the same tiny run is made again and again. */
import type { WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest } from '../../activities/artifacts/ref.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { TestMachine } from '../support/machine.js';
import { processesOf } from '../support/processes.js';
import { TINY } from '../support/tiny-recipe.js';
import { until } from '../support/until.js';
import type { MatrixStage } from './cells.js';
import * as check from './checkers.js';

export const CAP_USD = 1;
const INPUT = { overrides: TINY, budget: { usd: CAP_USD } };

export class MachineUnderFault {
  private runs = 0;

  private constructor(
    readonly machine: TestMachine,
    readonly proxies: { temporal: FaultProxy; s3: FaultProxy },
    readonly crashPoints: string,
  ) {}

  /** With one worker and a first run that nobody disturbed. */
  static async start(): Promise<MachineUnderFault> {
    Runtime.install({ logger: new DefaultLogger('ERROR') });
    const machine = await TestMachine.start();
    const [host, port] = machine.temporal.address.split(':') as [string, string];
    const s3 = new URL(machine.s3.settings.endpoint!);
    const proxies = {
      temporal: await FaultProxy.before(host, Number(port)),
      s3: await FaultProxy.before(s3.hostname, Number(s3.port)),
    };
    const crashPoints = join(machine.home, 'crash-points');
    await mkdir(crashPoints);
    const made = new MachineUnderFault(machine, proxies, crashPoints);
    try {
      await machine.startWorker(made.workerEnvironment);
      await made.complete(await made.begin());
      return made;
    } catch (error) {
      await made.stop();
      throw error;
    }
  }

  /** Ends everything. @returns what is left that should not be. */
  async stop(): Promise<string[]> {
    await this.machine.stop();
    await Promise.all(Object.values(this.proxies).map((proxy) => proxy.close()));
    return processesOf(this.machine.home).map(({ command }) => `still runs: ${command.slice(0, 200)}`);
  }

  /** Workers reach the servers through the proxies, stop at crash points, and leave what they trained on disk. */
  get workerEnvironment(): Record<string, string> {
    return {
      TEMPORAL_ADDRESS: this.proxies.temporal.address,
      RMR1_S3_ENDPOINT: `http://${this.proxies.s3.address}`,
      RMR1_CRASH_POINTS: this.crashPoints,
      RMR1_KEEP_WORK: '1',
    };
  }

  /** Number of the run begun last. */
  get lastRun(): number {
    return this.runs;
  }

  async answered(): Promise<number> {
    return (await this.machine.oracle.stats()).answered;
  }

  async manifest(stage: MatrixStage): Promise<Manifest | undefined> {
    const [key] = await this.machine.store.listKeys(`manifests/${stage}/`);
    return key === undefined ? undefined : ((await this.machine.store.getJson(key))?.value as Manifest);
  }

  /** As if the stage had never run; for distillation, as if nothing had ever been asked. */
  async forget(stage: MatrixStage): Promise<void> {
    await this.machine.forget(stage);
    for (const path of check.workDirectories(this.machine.home))
      await rm(path, { recursive: true, force: true });
    if (stage !== 'distill') return;
    const answers = await this.machine.store.listKeys('oracle-');
    await Promise.all(answers.map((key) => this.machine.store.deleteJson(key)));
  }

  begin(): Promise<WorkflowHandle> {
    return this.machine.start('trainRewardModel', INPUT, `cell-${++this.runs}`);
  }

  /** The progress of the run at its end. @throws Error where it ends otherwise, or waits for a person. */
  async complete(handle: WorkflowHandle, seconds = 180) {
    await until(
      `the end of ${handle.workflowId}`,
      async () => {
        const status = await handle.describe().then(
          ({ status: { name } }) => name,
          () => undefined,
        );
        if (status === 'COMPLETED') return true;
        if (status !== undefined && status !== 'RUNNING') throw new Error(`the run ended as ${status}`);
        const problem = (await this.machine.progress(handle.workflowId))?.problem;
        if (problem) throw new Error(`the run waits for a correction: ${problem.type}: ${problem.message}`);
        return false;
      },
      seconds,
      250,
    );
    return until('the progress of the finished run', () => this.machine.progress(handle.workflowId));
  }

  /** (5) Trainers that outlive their run. */
  async orphans(): Promise<string[]> {
    const gone = await until('the end of all trainers', () => this.machine.trainers().length === 0, 10).catch(
      () => false,
    );
    return gone ? [] : this.machine.trainers().map(({ command }) => `orphan: ${command}`);
  }

  /** Whatever was done: networks good, one worker, no run under way. */
  async putRight(): Promise<void> {
    for (const proxy of Object.values(this.proxies)) proxy.heal();
    const handle = this.machine.client.workflow.getHandle(`cell-${this.runs}`);
    await handle.terminate('the cell is over').catch(() => undefined);
    await this.machine.ensureWorker(this.workerEnvironment);
    await this.machine.retireWorkers();
  }
}
