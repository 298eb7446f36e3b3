/**
 * Durability tax: training stages of the quickstart under Temporal, with leases, artefacts and checkpoints in S3,
 * against the same engine jobs run bare, without a single checkpoint. Rounds alternate, each with a seed of its own,
 * because a stage that is finished would be reused.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrainInput } from '../activities/interface.js';
import { startEngine } from '../activities/training/engine-process.js';
import { engineJob } from '../activities/training/training-job.js';
import { loadRecipe } from '../recipes/load.js';
import { TestMachine } from '../test/support/machine.js';
import type { RunLineage } from '../workflows/messages.js';
import { lineageQuery } from '../workflows/messages.js';
import { type BenchResult, sideBySide } from './result.js';

const ROUNDS = 3;
const STAGES = ['base', 'sft', 'grpo'] as const;
/** Shares of the recipe's stages, checkpoints as often as there: long enough to dwarf start-up, short enough for three rounds. */
const OVERRIDES = {
  'base.documents': 12_000,
  'sft.epochs': 1.5,
  'grpo.steps': 20,
  'evaluate.stages': ['grpo'],
  'data.world': worldOf(200),
};

function worldOf(test: number) {
  return { ...loadRecipe('quickstart').data.world!, test, matrix: 0 };
}

export async function run(): Promise<BenchResult[]> {
  const host = await TestMachine.start();
  const durable: Record<string, number[]> = {};
  const bare: Record<string, number[]> = {};
  try {
    await host.startWorker({ RMR1_HEARTBEAT_SECONDS: '30' });
    for (let round = 1; round <= ROUNDS; round++) {
      const seed = 100 + round;
      const handle = await host.start(
        'trainRewardModel',
        { seed, overrides: OVERRIDES },
        `bench-tax-${seed}`,
      );
      await handle.result();
      const { stages } = await handle.query(lineageQuery);
      for (const stage of STAGES) {
        (durable[stage] ??= []).push(await stageSeconds(host, stages, stage));
        (bare[stage] ??= []).push(await bareSeconds(host, stages, stage, seed));
      }
    }
  } finally {
    await host.stop();
  }
  const total = (times: Record<string, number[]>) =>
    Array.from({ length: ROUNDS }, (_, round) =>
      STAGES.reduce((sum, stage) => sum + times[stage]![round]!, 0),
    );
  return [
    ...STAGES.map((stage) =>
      sideBySide('tax', stage, { ours: durable[stage]!, peer: bare[stage]!, goal: null }),
    ),
    sideBySide('tax', 'all training stages', { ours: total(durable), peer: total(bare), goal: 1.03 }),
  ];
}

type Stages = RunLineage['stages'];

/** As the supervising activity measured it: from the claim of the stage to the stored model. */
async function stageSeconds(host: TestMachine, stages: Stages, name: string): Promise<number> {
  const { stage, key } = stages.find((candidate) => candidate.stage === name)!;
  return (await host.store.readManifest(stage, key))!.cost.seconds;
}

async function bareSeconds(
  host: TestMachine,
  stages: Stages,
  name: (typeof STAGES)[number],
  seed: number,
): Promise<number> {
  const { parents } = stages.find((candidate) => candidate.stage === name)!;
  const dir = await mkdtemp(join(tmpdir(), 'rmr1-bench-'));
  try {
    const paths = { model: join(dir, 'model'), data: join(dir, 'data.jsonl'), output: join(dir, 'out') };
    await host.store.fetchDirectory((parents.model ?? parents.tokenizer)!, paths.model);
    await host.store.getFile(parents.data!, paths.data);
    const recipe = loadRecipe('quickstart', { ...OVERRIDES, [`${name}.checkpointEverySteps`]: 1_000_000 });
    const input: TrainInput = {
      context: { runId: 'bench', startedBy: 'bench', notify: [] },
      stage: name,
      seed,
      recipe,
      data: parents.data!,
    };
    const began = performance.now();
    const engine = await startEngine(engineJob(input, paths), dir, () => undefined);
    await engine.ended;
    return (performance.now() - began) / 1000;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
