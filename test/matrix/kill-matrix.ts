/** One machine on which cell after cell is run: the same recipe and seed, so the same bytes, whatever is struck. */
import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest } from '../../activities/artifacts/ref.js';
import type { CrashPlan } from '../../engine/crash-point.js';
import { until } from '../support/until.js';
import { STAGES, type Cell, type MatrixStage } from './cells.js';
import * as check from './checkers.js';
import { networkFault, strike, type Scene } from './fault.js';
import { CAP_USD, MachineUnderFault } from './machine-under-fault.js';

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

  private constructor(
    private readonly under: MachineUnderFault,
    private readonly seed: number,
  ) {}

  static async start(seed: number): Promise<KillMatrix> {
    return new KillMatrix(await MachineUnderFault.start(), seed);
  }

  /** Ends everything. @returns what is left that should not be. */
  stop(): Promise<string[]> {
    return this.under.stop();
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
    const { under } = this;
    const { machine } = under;
    const { stage } = cell;
    await under.forget(stage);
    const answeredBefore = await under.answered();
    const watch = new check.TrainerWatch(machine);
    const wrong: string[] = [];
    const began = Date.now();
    try {
      const plan = await this.plan(cell);
      const handle = await under.begin();
      await until(`the moment '${cell.moment}'`, () => existsSync(this.file(plan, 'reached')), 120);
      const key = reference.manifest.key;
      const stored = (await machine.store.latestCheckpoint(key))?.step ?? 0;
      const scene: Scene = {
        machine,
        proxies: under.proxies,
        workerEnvironment: under.workerEnvironment,
        workflowId: `${handle.workflowId}/${stage}`,
        release: () => writeFile(this.file(plan, 'released'), ''),
      };
      await strike(cell.victim, scene, network);
      const progress = await under.complete(handle);
      const lostSeconds = Math.max(0, (Date.now() - began) / 1000 - reference.seconds);

      const finished = await check.finishedOnce(machine, stage, handle.workflowId);
      wrong.push(...finished.wrong);
      if (finished.manifest) wrong.push(...check.sameBytes(stage, finished.manifest, reference.manifest));
      const answered = (await under.answered()) - answeredBefore;
      wrong.push(...check.spend(answered, reference.answered, progress.costUsd, CAP_USD));
      const children = STAGES.map((name) => `${handle.workflowId}/${name}`);
      wrong.push(...(await check.replays(machine, [handle.workflowId, ...children])));
      wrong.push(...(await under.orphans()));
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
    const { under } = this;
    const first = (await under.manifest(stage))!;
    await under.forget(stage);
    const before = await under.answered();
    const began = Date.now();
    await under.complete(await under.begin());
    const reference = {
      manifest: (await under.manifest(stage))!,
      seconds: (Date.now() - began) / 1000,
      answered: (await under.answered()) - before,
    };
    const differs = check.sameBytes(stage, reference.manifest, first);
    if (differs.length > 0) throw new Error(`${stage} is not deterministic: ${differs.join('; ')}`);
    this.references.set(stage, reference);
    return reference;
  }

  private async plan(cell: Cell): Promise<CrashPlan> {
    const { point, after, nth } = cell.point!;
    const id = `plan-${this.under.lastRun + 1}`;
    const plan: CrashPlan = { id, point, nth, ...(after ? { after } : {}) };
    const file = join(this.under.crashPoints, 'plan.json');
    await writeFile(file, JSON.stringify(plan));
    return JSON.parse(readFileSync(file, 'utf8')) as CrashPlan;
  }

  private file({ id }: Pick<CrashPlan, 'id'>, state: 'reached' | 'released'): string {
    return join(this.under.crashPoints, `${id}.${state}`);
  }

  /** Nothing planned, and whoever waits at a moment goes on. */
  private async putRight(): Promise<void> {
    await rm(join(this.under.crashPoints, 'plan.json'), { force: true });
    await writeFile(this.file({ id: `plan-${this.under.lastRun}` }, 'released'), '');
    await this.under.putRight();
  }
}
