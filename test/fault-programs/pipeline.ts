/**
 * The pipeline under a fault program: the real activities (distillation shards, traces, training, manifests) on a store
 * in memory, with a provider and a trainer that are hashes, and the run's real ledger in between.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256Hex } from '../../activities/artifacts/hashing.js';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import type { ArtifactStore } from '../../activities/artifacts/store.js';
import { toLine } from '../../activities/dataset/pair-lines.js';
import type {
  JudgedShard,
  OracleShardInput,
  OracleShardResult,
  TrainInput,
} from '../../activities/interface.js';
import { questionKey } from '../../activities/oracle/answer-cache.js';
import type { OracleBackend } from '../../activities/oracle/backends/backend.js';
import { priceOf } from '../../activities/oracle/budget.js';
import { filterTraces, findDistillation } from '../../activities/oracle/filter-traces.js';
import { judgeWithOracle } from '../../activities/oracle/judge-with-oracle.js';
import { splitPairs } from '../../activities/oracle/split-pairs.js';
import { spentByRun } from '../../activities/oracle/tally.js';
import { findStage, finishStage, type StageIdentity } from '../../activities/stage.js';
import type { StageOutcome } from '../../activities/stage-outcome.js';
import { trainModel } from '../../activities/training/train-model.js';
import { present } from '../../judge/pair.js';
import { loadRecipe } from '../../recipes/load.js';
import { Ledger } from '../../workflows/ledger.js';
import { generateWorld } from '../../world/index.js';
import { Cluster, type WorkerProcess } from './cluster.js';
import { MemoryS3 } from './memory-s3.js';
import { Observer } from './observer.js';
import type { FaultProgram } from './program.js';
import { trainerOf } from './trainer.js';

const PAIRS = 6;
/** USD that an undisturbed run may have to reserve, at most; caps are shares of it. */
const WHOLE_USD = 0.12;
const context = { runId: 'run', startedBy: 'test', notify: [] };
const recipe = loadRecipe('quickstart', {
  'distill.pairs': PAIRS,
  'distill.shardSize': PAIRS / 2,
  'distill.hintedShareMax': 1,
  'oracle.concurrency': 1,
});
const shown = generateWorld({ seed: 1, train: PAIRS, validation: 1, test: 1 }).train.map((pair, index) =>
  present(pair, index % 2 === 0 ? 'A' : 'B'),
);

export interface Outcome {
  /** Hash of every determined output, by `stage.name`. */
  bytes: Record<string, string>;
  wrong: string[];
  /** Faults that struck, in words. */
  struck: string[];
  events: number;
  /** Questions that were paid more than once: in flight, or on their way to the store, when a fault struck. */
  paidTwice: number;
}

/** Programs that run side by side work in directories named by their stages' keys, which the seed is part of. */
let nextSeed = 1;

/** Run the pipeline to its end under `program`. `wrong` lists what must not be, whatever the faults. */
export async function runProgram(program: FaultProgram, seed = nextSeed++): Promise<Outcome> {
  const s3 = new MemoryS3();
  const cluster = new Cluster(s3, program);
  const observer = new Observer();
  s3.onWrite = (key, body, writer) => observer.wrote(key, body, writer as WorkerProcess | undefined);
  const bytes: Record<string, string> = {};
  try {
    const onlooker = s3.store(() => Promise.resolve({ fate: 'works' as const }));
    const inputs = await storeInputs(onlooker);
    const run = new Run(cluster, observer, program.cap * WHOLE_USD, seed);
    const stages = await run.toItsEnd(inputs);
    await cluster.settle();
    for (const { stage, key, outputs } of stages) {
      const manifests = await onlooker.listKeys(`manifests/${stage}/`);
      if (manifests.length !== 1) observer.wrong.push(`${manifests.length} manifests of ${stage}`);
      for (const [name, { sha256 }] of Object.entries(outputs))
        if (/^(traces|model|scores)$/.test(name)) bytes[`${stage}.${name}`] = sha256;
      observer.shown(key, await onlooker.listCheckpoints(key));
    }
    run.checkLedger();
  } catch (error) {
    observer.wrong.push((error as Error).message);
  }
  const paidTwice = [...observer.bills.values()].filter((times) => times > 1).length;
  const { wrong } = observer;
  return { bytes, wrong, struck: cluster.struck, events: cluster.events, paidTwice };
}

interface Inputs {
  pairs: ArtifactRef;
  base: ArtifactRef;
}

async function storeInputs(store: ArtifactStore): Promise<Inputs> {
  const dir = await mkdtemp(join(tmpdir(), 'rmr1-base-'));
  try {
    await writeFile(join(dir, 'weights'), 'base');
    return {
      pairs: await store.putLines('pairs', shown.map(toLine)),
      base: await store.putDirectory('model', dir),
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

class Run {
  private ledger: Ledger;

  constructor(
    private readonly cluster: Cluster,
    private readonly observer: Observer,
    private cap: number,
    private readonly seed: number,
  ) {
    this.ledger = new Ledger(cap);
    observer.capUsd = cap;
  }

  async toItsEnd({ pairs, base }: Inputs): Promise<StageOutcome[]> {
    const distill = await this.distill(pairs);
    const sft = await this.train('sft', base, distill.outputs.traces!);
    const grpo = await this.train('grpo', sft.outputs.model!, pairs);
    return [distill, sft, grpo, await this.evaluate(grpo.outputs.model!)];
  }

  /** The provider can bill no more than the ledger of the run knows of. */
  checkLedger(): void {
    const { spentUsd, unansweredUsd, reservedUsd } = this.ledger.report();
    const { billedUsd, wrong } = this.observer;
    if (billedUsd > spentUsd + unansweredUsd + 1e-9)
      wrong.push(
        `the provider billed $${billedUsd.toFixed(6)}, the ledger knows of $${(spentUsd + unansweredUsd).toFixed(6)}`,
      );
    if (reservedUsd !== 0) wrong.push(`$${reservedUsd} stay reserved`);
  }

  /** What `workflows/distill.ts` does, shard after shard. */
  private async distill(pairs: ArtifactRef): Promise<StageOutcome> {
    const { cluster } = this;
    const stage = { context, seed: this.seed, recipe, pairs };
    const found = await cluster.activity(({ store }) => findDistillation(store, stage));
    if (found) return found;
    const plan = await cluster.activity(({ store }) => splitPairs(store, { recipe, pairs }));
    this.ledger.book(await cluster.activity(({ store }) => spentByRun(store, context.runId)));
    const shards: JudgedShard[] = [];
    for (const { pairs: part, count } of plan.shards) {
      const shard = { pairs: part, from: 0, to: count, total: plan.total };
      const first = await this.ask({ ...shard, pass: 1 });
      const second =
        first.correctable > 0 ? [await this.ask({ ...shard, pass: 2, firstPass: first.answers })] : [];
      shards.push({
        pairs: part,
        firstPass: [first.answers],
        secondPass: second.map(({ answers }) => answers),
      });
    }
    const cost = { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 0 };
    return cluster.activity(({ store }) => filterTraces(store, { ...stage, shards, cost }));
  }

  /** One pass over one shard, in as many turns as its allowances last; at the cap, a person raises it. */
  private async ask(
    shard: Pick<OracleShardInput, 'pairs' | 'from' | 'to' | 'total' | 'pass' | 'firstPass'>,
  ): Promise<OracleShardResult> {
    for (;;) {
      const budgetUsd = this.ledger.availableUsd;
      this.ledger.reserve('shard', budgetUsd);
      let spent: OracleShardResult['spent'] = [];
      try {
        const result = await this.cluster.activity((process) =>
          judgeWithOracle(
            process.store,
            {
              ...{ ...shard, context, seed: this.seed, budgetUsd, oracle: recipe.oracle, handBack: true },
              promptVersion: recipe.distill.promptVersion,
            },
            { backend: this.provider(process), commitEveryMs: 0, slots: process.slots },
          ),
        );
        ({ spent } = result);
        if (!result.budgetReached) return result;
      } finally {
        this.ledger.settle('shard', spent);
      }
      this.observer.capUsd = this.cap += WHOLE_USD / 10;
      this.ledger.setCap(this.cap);
    }
  }

  /** Says A or B by the hash of the question, and bills it. */
  private provider(process: WorkerProcess): OracleBackend {
    const known = new Set(this.observer.answered);
    return {
      ask: async (question) => {
        const key = questionKey(question);
        const fate = await process.come('ask');
        const text = `Weighed well.\n<answer>[[${Number.parseInt(key.slice(0, 2), 16) % 2 ? 'A' : 'B'}]]</answer>`;
        const usage = { inputTokens: 100, outputTokens: 20 };
        if (fate !== 'fails') this.observer.asked(key, priceOf(recipe.oracle, question.model, usage), known);
        if (fate === 'dies-after') process.die();
        if (fate !== 'works' && fate !== 'repeats')
          throw Object.assign(new Error('connection reset'), { type: 'OracleUnreachable' });
        return { text, finishReason: 'stop', ...usage };
      },
    };
  }

  private async train(
    stage: TrainInput['stage'],
    model: ArtifactRef,
    data: ArtifactRef,
  ): Promise<StageOutcome> {
    for (;;) {
      const result = await this.cluster.activity((process) => {
        this.observer.begins(process);
        return trainModel(
          process.store,
          undefined!,
          { context, stage, seed: this.seed, recipe, model, data },
          trainerOf(process),
        );
      });
      if (result.status === 'done') return result.outcome;
    }
  }

  /** A stage that reads the model and says what it is. */
  private evaluate(model: ArtifactRef): Promise<StageOutcome> {
    const identity: StageIdentity = {
      stage: 'evaluate',
      inputs: { model },
      settings: {},
      versions: {},
      seed: this.seed,
    };
    return this.cluster.activity(async ({ store }) => {
      const found = await findStage(store, identity);
      if (found) return found;
      const dir = await mkdtemp(join(tmpdir(), 'rmr1-evaluate-'));
      try {
        await mkdir(dir, { recursive: true });
        await store.fetchDirectory(model, dir);
        const scores = await store.putLines('scores', [sha256Hex(await readFile(join(dir, 'weights')))]);
        return await finishStage(store, identity, context, {
          outputs: { scores },
          metrics: {},
          cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 0 },
        });
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    });
  }
}
