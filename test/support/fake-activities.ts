/** Activities that answer at once with plausible references, and record what was asked of them. */
import { ApplicationFailure, Context } from '@temporalio/activity';
import type { ArtifactKind, ArtifactRef } from '../../activities/artifacts/ref.js';
import type {
  IoActivities,
  JudgingActivities,
  OracleActivities,
  TrainingActivities,
} from '../../activities/interface.js';
import type { StageOutcome } from '../../activities/stage-outcome.js';
import { loadRecipe } from '../../recipes/load.js';
import type { StageName } from '../../workflows/inputs.js';
import type { LedgerEntry } from '../../workflows/ledger.js';

export function fakeRef(name: string, kind: ArtifactKind = 'pairs'): ArtifactRef {
  const sha256 = Buffer.from(name.padEnd(32, '.').slice(0, 32)).toString('hex');
  return { uri: `s3://test/objects/${sha256}`, sha256, bytes: name.length, kind };
}

function outcome(stage: StageName, outputs: string[], metrics: Record<string, number> = {}): StageOutcome {
  return {
    stage,
    key: fakeRef(stage).sha256,
    reused: false,
    outputs: Object.fromEntries(outputs.map((name) => [name, fakeRef(`${stage}-${name}`)])),
    parents: {},
    metrics,
    cost: { usd: stage === 'distill' ? 0.5 : 0, inputTokens: 10, outputTokens: 20, seconds: 1 },
  };
}

/** A ledger entry of `usd` for one call. */
function spentBy(pass: number, usd: number): LedgerEntry {
  const unanswered = { calls: 0, usd: 0 };
  return {
    stage: 'distill',
    model: 'oracle',
    pass,
    calls: 1,
    inputTokens: 100,
    outputTokens: 100,
    usd,
    unanswered,
  };
}

/** Shards that the fakes cut at most: enough for a budget to end between two, and few, as each is asked about twice. */
export const MOST_SHARDS = 4;

export type AllActivities = IoActivities & OracleActivities & TrainingActivities & JudgingActivities;

/** A full set; `change` replaces single ones. `calls` lists names in order, training stages as `train:sft`. */
export function fakeActivities(
  change: Partial<AllActivities> = {},
  mostShards = MOST_SHARDS,
): {
  calls: string[];
  activities: AllActivities;
} {
  const calls: string[] = [];
  const record = <Args extends unknown[], Result>(name: string, run: (...args: Args) => Promise<Result>) => {
    return async (...args: Args): Promise<Result> => {
      calls.push(name);
      return run(...args);
    };
  };
  const activities: AllActivities = {
    planRun: record('planRun', async ({ recipe, overrides }) => {
      try {
        return {
          recipe: loadRecipe(recipe, overrides),
          recipeRef: fakeRef('recipe', 'recipe'),
          heartbeatSeconds: 5,
        };
      } catch (error) {
        throw ApplicationFailure.nonRetryable((error as Error).message, (error as Error).name);
      }
    }),
    prepareDataset: record('prepareDataset', async () =>
      outcome('dataset', ['train', 'validation', 'test', 'matrix', 'documents', 'tokenizer']),
    ),
    findDistillation: record('findDistillation', async () => undefined),
    splitPairs: record('splitPairs', async ({ recipe: { distill } }) => {
      const size = Math.max(distill.shardSize, Math.ceil(distill.pairs / mostShards));
      const shards = Array.from({ length: Math.ceil(distill.pairs / size) }, (_, index) => ({
        pairs: fakeRef(`shard-${index}`),
        count: Math.min(size, distill.pairs - index * size),
      }));
      return { shards, total: distill.pairs };
    }),
    openLedger: record('openLedger', async () => []),
    judgeWithOracle: record('judgeWithOracle', async ({ from, to, pass }) => ({
      answers: fakeRef(`answers-${from}`),
      asked: to - from,
      cached: 0,
      agreed: Math.floor((to - from) * 0.75),
      wrong: Math.ceil((to - from) * 0.25),
      correctable: Math.ceil((to - from) * 0.25),
      cost: { usd: 0.1, inputTokens: 100, outputTokens: 100 },
      spent: [spentBy(pass, 0.1)],
      budgetReached: false,
    })),
    sampleStudent: record('sampleStudent', async () => ({
      status: 'done' as const,
      answers: fakeRef('samples-of-student'),
      judged: 4,
      agreed: 3,
      wrong: 1,
      correctable: 1,
    })),
    planBatches: record('planBatches', async () => ({ batches: [], stored: 0, left: 0 })),
    submitBatch: record('submitBatch', async () => ({ batchId: 'batch_1' })),
    pollBatch: record('pollBatch', async () => ({ state: 'ended' as const, done: 1, total: 1 })),
    harvestBatch: record('harvestBatch', async ({ chunk }) => ({
      answered: chunk.count,
      left: 0,
      spent: [],
    })),
    cancelBatch: record('cancelBatch', async () => ({})),
    filterTraces: record('filterTraces', async ({ cost }) => ({
      ...outcome('distill', ['traces', 'stats']),
      cost,
    })),
    buildSftSet: record('buildSftSet', async () => fakeRef('samples', 'samples')),
    buildRlPrompts: record('buildRlPrompts', async () => fakeRef('prompts', 'samples')),
    buildRewardSet: record('buildRewardSet', async () => fakeRef('preferences', 'samples')),
    trainModel: async ({ stage }) => {
      calls.push(`train:${stage}`);
      return { status: 'done', outcome: outcome(stage, ['model', 'metrics'], { loss: 0.1 }) };
    },
    findEvaluation: record('findEvaluation', async () => undefined),
    judgeShard: async ({ judge, from }) => {
      calls.push(`judge:${judge}`);
      return {
        status: 'done',
        judgements: fakeRef(`judged-${judge}-${from}`),
        pairs: 10,
        tokens: 100,
        seconds: 1,
      };
    },
    scoreJudgements: record('scoreJudgements', async () =>
      outcome('evaluate', ['scores'], { 'accuracy.base': 0.5, 'accuracy.sft': 0.9, 'accuracy.grpo': 0.95 }),
    ),
    writeReport: record('writeReport', async () => outcome('report', ['report', 'reportJson'])),
    releaseServer: async ({ stage, model }) => {
      calls.push(`release:${stage}:${Buffer.from(model.sha256, 'hex').toString()}`);
    },
    prepareBenchmark: record('prepareBenchmark', async () => ({
      items: fakeRef('items', 'items'),
      count: 5_000,
      source: 'items.jsonl',
      sha256: fakeRef('data').sha256,
    })),
    findBenchmark: record('findBenchmark', async () => undefined),
    judgeItems: async ({ from, to, orders, votes }) => {
      calls.push(`judgeItems:${from}-${to}`);
      const judged = (to - from) * (orders.mode === 'both' ? 2 : 1);
      return {
        status: 'done',
        verdicts: fakeRef(`verdicts-${from}`, 'verdicts'),
        judged,
        sections: { Chat: { count: judged, right: judged * 0.75 } },
        curve: new Array<number>(votes).fill(judged * 0.75),
        errors: 1,
        asked: judged,
        found: 0,
        inputTokens: 10,
        outputTokens: 5,
        seconds: 1,
        throttled: 0,
        concurrency: 16,
        identity: { kind: 'openai' },
      };
    },
    scoreBenchmark: record('scoreBenchmark', async ({ verdicts, stopped }) => ({
      ...outcome('evaluate', ['verdicts', 'scores'], { score: 0.75, shards: verdicts.length }),
      ...(stopped ? { key: '' } : {}),
    })),
    reportBenchmark: record('reportBenchmark', async () => fakeRef('page', 'report')),
    ...change,
  };
  return { calls, activities };
}

/** A trainer that works until it is asked to stop, then answers `preempted`, as the real one does. */
export async function untilStopped(step: number): Promise<{ status: 'preempted'; step: number }> {
  const { cancellationSignal } = Context.current();
  const beat = setInterval(() => Context.current().heartbeat({ step }), 100);
  await new Promise<void>((resolve) => {
    if (cancellationSignal.aborted) resolve();
    else cancellationSignal.addEventListener('abort', () => resolve(), { once: true });
  });
  clearInterval(beat);
  return { status: 'preempted', step };
}
