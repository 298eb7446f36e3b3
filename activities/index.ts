/** All activities, bound to what they need; one group per task queue. */
import type { Client } from '@temporalio/client';
import type { ArtifactStore } from './artifacts/store.js';
import { prepareDataset } from './dataset/prepare-dataset.js';
import { judgeItems } from './evaluation/judge-items.js';
import { judgeShard } from './evaluation/judge-shard.js';
import { prepareBenchmark } from './evaluation/prepare-benchmark.js';
import { reportBenchmark } from './evaluation/report-benchmark.js';
import { findBenchmark, scoreBenchmark } from './evaluation/score-benchmark.js';
import { findEvaluation, scoreJudgements } from './evaluation/score-judgements.js';
import { writeReport } from './evaluation/write-report.js';
import type { IoActivities, JudgingActivities, OracleActivities, TrainingActivities } from './interface.js';
import { holdIfPaused } from './hold-if-paused.js';
import { filterTraces, findDistillation } from './oracle/filter-traces.js';
import { beating } from './oracle/batches/beating.js';
import { cancelBatch, harvestBatch, pollBatch } from './oracle/batches/harvest-batch.js';
import { planBatches } from './oracle/batches/plan-batches.js';
import { submitBatch } from './oracle/batches/submit-batch.js';
import { judgeWithOracle } from './oracle/judge-with-oracle.js';
import { sampleStudent } from './oracle/sample-student.js';
import { splitPairs } from './oracle/split-pairs.js';
import { spentByRun } from './oracle/tally.js';
import { planRun } from './planning/plan-run.js';
import { releaseServer } from './ray/server-job.js';
import { buildRewardSet, buildRlPrompts, buildSftSet } from './training/build-data.js';
import { trainModel } from './training/train-model.js';

export interface ActivityDependencies {
  store: ArtifactStore;
  /** For progress signals. */
  client: Client;
}

export function ioActivities({ store }: ActivityDependencies): IoActivities {
  return {
    planRun: (input) => planRun(store, input),
    prepareDataset: (input) => prepareDataset(store, input),
    findDistillation: (input) => findDistillation(store, input),
    splitPairs: (input) => splitPairs(store, input),
    openLedger: ({ runId }) => spentByRun(store, runId),
    filterTraces: (input) => filterTraces(store, input),
    buildSftSet: (input) => buildSftSet(store, input),
    buildRlPrompts: (input) => buildRlPrompts(store, input),
    buildRewardSet: (input) => buildRewardSet(store, input),
    findEvaluation: (input) => findEvaluation(store, input),
    scoreJudgements: (input) => scoreJudgements(store, input),
    writeReport: (input) => writeReport(store, input),
    releaseServer: (owner) => releaseServer(store, owner),
    prepareBenchmark: (input) => prepareBenchmark(store, input),
    findBenchmark: (input) => findBenchmark(store, input),
    scoreBenchmark: (input) => scoreBenchmark(store, input),
    reportBenchmark: (input) => reportBenchmark(store, input),
  };
}

export function oracleActivities({ store }: ActivityDependencies): OracleActivities {
  return {
    judgeWithOracle: (input) => judgeWithOracle(store, input),
    planBatches: (input) => beating({ pass: input.pass }, () => planBatches(store, input)),
    submitBatch: (input) => beating({ batch: input.chunk.set }, () => submitBatch(store, input)),
    pollBatch: (input) => beating({ batch: input.batchId }, () => pollBatch(input)),
    harvestBatch: (input) => beating({ batch: input.batchId }, () => harvestBatch(store, input)),
    cancelBatch: (input) => beating({ batch: input.chunk.set }, () => cancelBatch(store, input)),
  };
}

export function judgingActivities({ store, client }: ActivityDependencies): JudgingActivities {
  return { judgeItems: (input) => holdIfPaused(judgeItems(store, client, input)) };
}

export function trainingActivities({ store, client }: ActivityDependencies): TrainingActivities {
  return {
    trainModel: (input) => holdIfPaused(trainModel(store, client, input)),
    judgeShard: (input) => holdIfPaused(judgeShard(store, client, input)),
    sampleStudent: (input) => holdIfPaused(sampleStudent(store, client, input)),
  };
}
