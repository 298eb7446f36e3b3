/** A fault program against real servers and processes, with the seven checkers of the kill matrix at its end. */
import type { WorkflowHandle } from '@temporalio/client';
import { setTimeout as delay } from 'node:timers/promises';
import type { Manifest } from '../../../activities/artifacts/ref.js';
import { STAGES, type MatrixStage } from '../../matrix/cells.js';
import * as check from '../../matrix/checkers.js';
import { CAP_USD, MachineUnderFault } from '../../matrix/machine-under-fault.js';
import { LAST_EVENT, type FaultProgram } from '../program.js';
import { strikeReal } from './strike.js';

const TRAINED = ['sft', 'grpo'] as const;

export interface RealOutcome {
  program: FaultProgram;
  /** What the checkers found wrong; empty: passed. */
  wrong: string[];
  /** What struck, in words, with the second it struck at. */
  struck: string[];
  seconds: number;
  /** Steps that were trained more than once. */
  recomputedSteps: number;
  /** Questions the oracle answered beyond those of the undisturbed run. */
  answeredAgain: number;
}

interface Reference {
  manifests: Record<MatrixStage, Manifest>;
  seconds: number;
  answered: number;
}

/** What was stored of a training stage when a fault struck. */
interface Standing {
  stage: (typeof TRAINED)[number];
  step: number;
  /** Attempts that had begun by then. */
  attempts: number;
}

export class RealPrograms {
  private constructor(
    private readonly under: MachineUnderFault,
    private readonly reference: Reference,
  ) {}

  static async start(): Promise<RealPrograms> {
    const under = await MachineUnderFault.start();
    try {
      await forgetAll(under);
      const before = await under.answered();
      const began = Date.now();
      await under.complete(await under.begin());
      const seconds = (Date.now() - began) / 1000;
      const manifests = {} as Record<MatrixStage, Manifest>;
      for (const stage of STAGES) manifests[stage] = (await under.manifest(stage))!;
      return new RealPrograms(under, { manifests, seconds, answered: (await under.answered()) - before });
    } catch (error) {
      await under.stop();
      throw error;
    }
  }

  /** Ends everything. @returns what is left that should not be. */
  stop(): Promise<string[]> {
    return this.under.stop();
  }

  async run(program: FaultProgram): Promise<RealOutcome> {
    const { under } = this;
    const outcome: RealOutcome = {
      program,
      wrong: [],
      struck: [],
      seconds: 0,
      recomputedSteps: 0,
      answeredAgain: 0,
    };
    const watch = new check.TrainerWatch(under.machine);
    const began = Date.now();
    try {
      await forgetAll(under);
      const before = await under.answered();
      const start = Date.now();
      const handle = await under.begin();
      const standings = await this.strikeAll(program, start, outcome);
      const { costUsd } = await under.complete(handle, 300);
      outcome.seconds = (Date.now() - start) / 1000;
      const answered = (await under.answered()) - before;
      outcome.answeredAgain = answered - this.reference.answered;
      outcome.wrong.push(
        ...check.spend(answered, this.reference.answered, costUsd, CAP_USD, program.faults.length),
        ...(await this.whatIsLeft(handle, standings, outcome)),
      );
    } catch (error) {
      outcome.wrong.push((error as Error).message);
      outcome.seconds ||= (Date.now() - began) / 1000;
    } finally {
      outcome.wrong.push(...watch.stop());
      await under.putRight();
    }
    return outcome;
  }

  /** Each fault at its share of the undisturbed run's time, one after the other. */
  private async strikeAll(
    { faults }: FaultProgram,
    start: number,
    { struck }: RealOutcome,
  ): Promise<Standing[]> {
    const standings: Standing[] = [];
    const settling: Promise<void>[] = [];
    for (const { at, fault } of [...faults].sort((a, b) => a.at - b.at)) {
      const due = start + (at / LAST_EVENT) * this.reference.seconds * 1000;
      await delay(Math.max(0, due - Date.now()));
      for (const stage of TRAINED) standings.push(await this.standing(stage));
      const second = ((Date.now() - start) / 1000).toFixed(1);
      const done = await strikeReal(fault, this.under);
      struck.push(`${second} s: ${done.struck}`);
      if (done.settled) settling.push(done.settled);
    }
    await Promise.all(settling);
    return standings;
  }

  private async standing(stage: Standing['stage']): Promise<Standing> {
    const { key } = this.reference.manifests[stage];
    const { machine } = this.under;
    // In this order: whoever begins after the first look, and is not counted, has to see that checkpoint.
    const step = (await machine.store.latestCheckpoint(key))?.step ?? 0;
    const { beginnings } = await check.attemptsOf(machine, stage, key);
    return { stage, step, attempts: beginnings.length };
  }

  private async whatIsLeft(
    { workflowId }: WorkflowHandle,
    standings: readonly Standing[],
    outcome: RealOutcome,
  ): Promise<string[]> {
    const { machine } = this.under;
    const wrong: string[] = [];
    for (const stage of STAGES) {
      const expected = this.reference.manifests[stage];
      const finished = await check.finishedOnce(machine, stage, workflowId);
      wrong.push(...finished.wrong);
      if (finished.manifest) wrong.push(...check.sameBytes(stage, finished.manifest, expected));
    }
    for (const stage of TRAINED) {
      const attempts = await check.attemptsOf(machine, stage, this.reference.manifests[stage].key);
      outcome.recomputedSteps += check.recomputedSteps(attempts);
      for (const { step, attempts: begun } of standings.filter((standing) => standing.stage === stage)) {
        const later = attempts.beginnings.slice(Math.max(1, begun));
        wrong.push(...check.resumedWhereStored({ beginnings: [0, ...later], trained: [] }, step));
      }
    }
    const histories = [workflowId, ...STAGES.map((name) => `${workflowId}/${name}`)];
    wrong.push(...(await check.replays(machine, histories)));
    wrong.push(...(await this.under.orphans()));
    return [...new Set(wrong)];
  }
}

async function forgetAll(under: MachineUnderFault): Promise<void> {
  for (const stage of STAGES) await under.forget(stage);
}
