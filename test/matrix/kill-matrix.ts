/** One machine on which cell after cell is run: the same recipe and seed, so the same bytes, whatever is struck. */
import type { WorkflowHandle } from '@temporalio/client';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest } from '../../activities/artifacts/ref.js';
import type { CrashPlan } from '../../engine/crash-point.js';
import { FaultProxy } from '../support/fault-proxy.js';
import { TestMachine } from '../support/machine.js';
import { processesOf } from '../support/processes.js';
import { TINY } from '../support/tiny-recipe.js';
import { until } from '../support/until.js';
import { STAGES, type Cell, type MatrixStage } from './cells.js';
import * as check from './checkers.js';
import { networkFault, strike, type Scene } from './fault.js';

const CAP_USD = 1;
const INPUT = { overrides: TINY, budget: { usd: CAP_USD } };

export interface CellResult {
  id: string;
  /** What the checkers found wrong; empty: passed. */
  wrong: string[];
  seconds: number;
  /** Wall time beyond the undisturbed run of the same stage. */
  lostSeconds: number;
  /** Training stages: steps trained more than once. */
  recomputedSteps?: number;
  /** Network rows: which link, which toxic. */
  network?: string;
}

interface Reference {
  manifest: Manifest;
  seconds: number;
  answered: number;
}

export class KillMatrix {
  private readonly references = new Map<MatrixStage, Reference>();
  private runs = 0;

  private constructor(
    private readonly machine: TestMachine,
    private readonly proxies: Scene['proxies'],
    private readonly crashPoints: string,
    private readonly seed: number,
  ) {}

  static async start(seed: number): Promise<KillMatrix> {
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
    const matrix = new KillMatrix(machine, proxies, crashPoints, seed);
    try {
      await machine.startWorker(matrix.workerEnvironment);
      await matrix.complete(await matrix.begin());
      return matrix;
    } catch (error) {
      await matrix.stop();
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
  private get workerEnvironment(): Record<string, string> {
    return {
      TEMPORAL_ADDRESS: this.proxies.temporal.address,
      RMR1_S3_ENDPOINT: `http://${this.proxies.s3.address}`,
      RMR1_CRASH_POINTS: this.crashPoints,
      RMR1_KEEP_WORK: '1',
    };
  }

  /** Run one cell; a cell that cannot be run to its end has failed with the reason. */
  async run(cell: Cell): Promise<CellResult> {
    const began = Date.now();
    const network = networkFault(cell.id, this.seed);
    const named = cell.victim === 'network' ? { network: `${network.toxic} to ${network.link}` } : {};
    try {
      const reference = await this.reference(cell.stage);
      const result = await this.disturbed(cell, reference, network);
      return { id: cell.id, ...result, ...named, seconds: (Date.now() - began) / 1000 };
    } catch (error) {
      const wrong = [error instanceof Error ? error.message : String(error)];
      return { id: cell.id, wrong, ...named, seconds: (Date.now() - began) / 1000, lostSeconds: 0 };
    } finally {
      await this.putRight();
    }
  }

  private async disturbed(
    cell: Cell,
    reference: Reference,
    network: ReturnType<typeof networkFault>,
  ): Promise<Pick<CellResult, 'wrong' | 'lostSeconds' | 'recomputedSteps'>> {
    const { machine } = this;
    const { stage } = cell;
    await this.forget(stage);
    const answeredBefore = (await machine.oracle.stats()).answered;
    const watch = new check.TrainerWatch(machine);
    const wrong: string[] = [];
    const began = Date.now();
    try {
      const plan = await this.plan(cell);
      const handle = await this.begin();
      await until(`the moment '${cell.moment}'`, () => existsSync(this.file(plan, 'reached')), 120);
      const key = reference.manifest.key;
      const stored = (await machine.store.latestCheckpoint(key))?.step ?? 0;
      const scene: Scene = {
        machine,
        proxies: this.proxies,
        workerEnvironment: this.workerEnvironment,
        workflowId: `${handle.workflowId}/${stage}`,
        release: () => writeFile(this.file(plan, 'released'), ''),
      };
      await strike(cell.victim, scene, network);
      const progress = await this.complete(handle);
      const lostSeconds = Math.max(0, (Date.now() - began) / 1000 - reference.seconds);

      const finished = await check.finishedOnce(machine, stage, handle.workflowId);
      wrong.push(...finished.wrong);
      if (finished.manifest) wrong.push(...check.sameBytes(stage, finished.manifest, reference.manifest));
      const answered = (await machine.oracle.stats()).answered - answeredBefore;
      wrong.push(...check.spend(answered, reference.answered, progress.costUsd, CAP_USD));
      const children = STAGES.map((name) => `${handle.workflowId}/${name}`);
      wrong.push(...(await check.replays(machine, [handle.workflowId, ...children])));
      wrong.push(...(await this.orphans()));
      if (stage !== 'sft' && stage !== 'grpo') return { wrong, lostSeconds };
      const attempts = await check.attemptsOf(machine, stage, key);
      wrong.push(...check.resumedWhereStored(attempts, stored));
      return { wrong, lostSeconds, recomputedSteps: check.recomputedSteps(attempts) };
    } finally {
      wrong.push(...watch.stop());
    }
  }

  /** The stage run again with nothing in its way: its bytes, time and questions. Once per stage. */
  private async reference(stage: MatrixStage): Promise<Reference> {
    const known = this.references.get(stage);
    if (known) return known;
    const first = (await this.manifest(stage))!;
    await this.forget(stage);
    const before = (await this.machine.oracle.stats()).answered;
    const began = Date.now();
    await this.complete(await this.begin());
    const reference = {
      manifest: (await this.manifest(stage))!,
      seconds: (Date.now() - began) / 1000,
      answered: (await this.machine.oracle.stats()).answered - before,
    };
    const differs = check.sameBytes(stage, reference.manifest, first);
    if (differs.length > 0) throw new Error(`${stage} is not deterministic: ${differs.join('; ')}`);
    this.references.set(stage, reference);
    return reference;
  }

  private async manifest(stage: MatrixStage): Promise<Manifest | undefined> {
    const [key] = await this.machine.store.listKeys(`manifests/${stage}/`);
    return key === undefined ? undefined : ((await this.machine.store.getJson(key))?.value as Manifest);
  }

  /** As if the stage had never run; for distillation, as if nothing had ever been asked. */
  private async forget(stage: MatrixStage): Promise<void> {
    await this.machine.forget(stage);
    for (const path of check.workDirectories(this.machine.home))
      await rm(path, { recursive: true, force: true });
    if (stage !== 'distill') return;
    const answers = await this.machine.store.listKeys('oracle-');
    await Promise.all(answers.map((key) => this.machine.store.deleteJson(key)));
  }

  private begin(): Promise<WorkflowHandle> {
    return this.machine.start('trainRewardModel', INPUT, `cell-${++this.runs}`);
  }

  private async complete(handle: WorkflowHandle) {
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
      180,
      250,
    );
    return until('the progress of the finished run', () => this.machine.progress(handle.workflowId));
  }

  private async plan(cell: Cell): Promise<CrashPlan> {
    const { point, after, nth } = cell.point!;
    const plan: CrashPlan = { id: `plan-${this.runs + 1}`, point, nth, ...(after ? { after } : {}) };
    const file = join(this.crashPoints, 'plan.json');
    await writeFile(file, JSON.stringify(plan));
    return JSON.parse(readFileSync(file, 'utf8')) as CrashPlan;
  }

  private file({ id }: CrashPlan, state: 'reached' | 'released'): string {
    return join(this.crashPoints, `${id}.${state}`);
  }

  /** (5) Trainers that outlive their run. */
  private async orphans(): Promise<string[]> {
    const gone = await until('the end of all trainers', () => this.machine.trainers().length === 0, 10).catch(
      () => false,
    );
    return gone ? [] : this.machine.trainers().map(({ command }) => `orphan: ${command}`);
  }

  /** Whatever a cell left: everything up, one worker, nothing planned, no run under way. */
  private async putRight(): Promise<void> {
    await rm(join(this.crashPoints, 'plan.json'), { force: true });
    await writeFile(join(this.crashPoints, `plan-${this.runs}.released`), '');
    for (const proxy of Object.values(this.proxies)) proxy.heal();
    const handle = this.machine.client.workflow.getHandle(`cell-${this.runs}`);
    await handle.terminate('the cell is over').catch(() => undefined);
    await this.machine.ensureWorker(this.workerEnvironment);
    await this.machine.retireWorkers();
  }
}
