/** What must hold after every cell, whatever was struck. Each checker answers with what is wrong, or nothing. */
import { Worker } from '@temporalio/worker';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../activities/artifacts/ref.js';
import { projectRoot } from '../../infra/environment.js';
import type { TestMachine } from '../support/machine.js';
import type { MatrixStage } from './cells.js';

/** Questions under way at once: in flight, by the recipe, and those whose answer is on its way to the store. */
const IN_FLIGHT = 32;

/** Outputs whose bytes are determined; metrics and sample files carry times. */
const DETERMINED: Record<MatrixStage, RegExp> = {
  distill: /^traces$/,
  sft: /^model$/,
  grpo: /^model$/,
  evaluate: /^(scores|verdicts-.*)$/,
};

/** (1) The stage's bytes are those of the run that nobody disturbed. */
export function sameBytes(stage: MatrixStage, manifest: Manifest, reference: Manifest): string[] {
  return Object.entries(reference.outputs)
    .filter(([name]) => DETERMINED[stage].test(name))
    .filter(([name, { sha256 }]) => manifest.outputs[name]?.sha256 !== sha256)
    .map(([name]) => `output '${name}' differs from the undisturbed run's`);
}

export interface Attempts {
  /** Step each attempt began from; the first begins at 0. */
  beginnings: number[];
  /** Last step each attempt trained. */
  trained: number[];
}

/** Attempts of a training stage, from its fence and from what the engines left on disk. */
export async function attemptsOf(machine: TestMachine, stage: string, key: string): Promise<Attempts> {
  const fence = (await machine.store.getJson(`checkpoints/${key}/fence.json`))?.value as
    { claims: { from: { step: number } | null }[] } | undefined;
  const beginnings = (fence?.claims ?? []).map(({ from }) => from?.step ?? 0);
  const root = join(machine.home, 'work', `${stage}-${key.slice(0, 16)}`);
  return { beginnings, trained: beginnings.map((_, index) => lastStep(join(root, `attempt-${index + 1}`))) };
}

function lastStep(attemptDir: string): number {
  try {
    const lines = readFileSync(join(attemptDir, 'out', 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n');
    return (JSON.parse(lines.at(-1)!) as { step: number }).step;
  } catch {
    return 0;
  }
}

/** Steps that were trained again by a later attempt. */
export function recomputedSteps({ beginnings, trained }: Attempts): number {
  return beginnings
    .slice(1)
    .reduce((sum, beginning, index) => sum + Math.max(0, trained[index]! - beginning), 0);
}

/**
 * (2) No more than one checkpoint interval is trained again: every attempt after the fault begins at the newest
 * checkpoint that was stored when it struck, or later.
 */
export function resumedWhereStored({ beginnings }: Attempts, storedAtFault: number): string[] {
  return beginnings
    .slice(1)
    .filter((beginning) => beginning < storedAtFault)
    .map((beginning) => `an attempt began at step ${beginning} although step ${storedAtFault} was stored`);
}

/** (3) Samples the process table; more than one trainer on one stage at the same time is wrong. */
export class TrainerWatch {
  private readonly timer: NodeJS.Timeout;
  private readonly doubles = new Set<string>();

  constructor(private readonly machine: TestMachine) {
    this.timer = setInterval(() => this.look(), 100);
  }

  stop(): string[] {
    clearInterval(this.timer);
    return [...this.doubles].map((stage) => `two trainers worked on ${stage} at once`);
  }

  private look(): void {
    const seen = new Map<string, number>();
    for (const { command } of this.machine.trainers()) {
      const stage = /work\/((?:base|sft|grpo)-[0-9a-f]+)\//.exec(command)?.[1];
      if (stage) seen.set(stage, (seen.get(stage) ?? 0) + 1);
    }
    for (const [stage, count] of seen) if (count > 1) this.doubles.add(stage);
  }
}

/** (4) The oracle answered what the undisturbed run asked, and at most one batch in flight more per fault; the cap holds. */
export function spend(
  answered: number,
  undisturbed: number,
  usd: number,
  capUsd: number,
  faults = 1,
): string[] {
  const wrong: string[] = [];
  if (answered > undisturbed + faults * IN_FLIGHT)
    wrong.push(`the oracle answered ${answered} questions where ${undisturbed} would do`);
  if (usd > capUsd) wrong.push(`the run spent $${usd.toFixed(4)}, over its cap of $${capUsd}`);
  return wrong;
}

/** (6) Every history of the run replays. */
export async function replays(machine: TestMachine, workflowIds: readonly string[]): Promise<string[]> {
  const histories = await Promise.all(
    workflowIds.map(async (workflowId) => ({
      workflowId,
      history: await machine.client.workflow.getHandle(workflowId).fetchHistory(),
    })),
  );
  const wrong: string[] = [];
  const bundle = { codePath: join(projectRoot(), 'dist', 'workflow-bundle.js') };
  for await (const { workflowId, error } of Worker.runReplayHistories({ workflowBundle: bundle }, histories))
    if (error) wrong.push(`the history of ${workflowId} does not replay: ${error.message}`);
  return wrong;
}

/** (7) The stage was declared finished once, by this run. */
export async function finishedOnce(
  machine: TestMachine,
  stage: MatrixStage,
  workflowId: string,
): Promise<{ manifest?: Manifest; wrong: string[] }> {
  const keys = await machine.store.listKeys(`manifests/${stage}/`);
  if (keys.length !== 1) return { wrong: [`${keys.length} manifests of ${stage} instead of one`] };
  const manifest = (await machine.store.getJson(keys[0]!))!.value as Manifest;
  const foreign = manifest.workflowId === workflowId ? [] : [`${manifest.workflowId} finished the stage`];
  return { manifest, wrong: foreign };
}

/** Attempts on disk, so that none of the last cell is counted again. */
export function workDirectories(home: string): string[] {
  try {
    return readdirSync(join(home, 'work')).map((name) => join(home, 'work', name));
  } catch {
    return [];
  }
}
