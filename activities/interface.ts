/** Signatures of all activities, by the kind of worker that runs them; workflows import nothing but these types. */
import type { BenchmarkName } from '../benchmarks/names.js';
import type { Recipe } from '../recipes/schema.js';
import type { PreparedItems, ResolvedBenchmarkInput } from '../workflows/benchmark-input.js';
import type { ResolvedRunInput } from '../workflows/inputs.js';
import type { JudgeSettings, Sampling } from '../workflows/judge-settings.js';
import type { LedgerEntry, LedgerReport } from '../workflows/ledger.js';
import type { ArtifactRef } from './artifacts/ref.js';
import type { ServerOwner } from './ray/serving-spec.js';
import type { StageContext, StageOutcome, TimedOutcome } from './stage-outcome.js';

type Refs = Record<string, ArtifactRef>;

export interface RunPlan {
  recipe: Recipe;
  /** The resolved recipe as an artefact. */
  recipeRef: ArtifactRef;
  /** A training worker that is silent for so long counts as lost. */
  heartbeatSeconds: number;
}

export interface DatasetInput {
  context: StageContext;
  seed: number;
  data?: string | ArtifactRef;
  recipe: Recipe;
}

/** One shard of oracle calls; `answers` holds one line per pair. */
export interface OracleShardInput {
  context: StageContext;
  seed: number;
  pairs: ArtifactRef;
  pass: 1 | 2;
  /**
   * Answers of the step before about the same shard. Pass 2 corrects them; in pass 1, which then asks the next model of
   * a cascade (in `oracle.model`), only what is wrong in them is asked.
   */
  firstPass?: ArtifactRef;
  from: number;
  to: number;
  /** Position of the shard among all pairs of the stage, and their number, for progress figures. */
  offset?: number;
  total: number;
  oracle: Recipe['oracle'];
  promptVersion: Recipe['distill']['promptVersion'];
  /** USD that this shard may spend, reserved for it in the run's ledger; absent: no cap. */
  budgetUsd?: number;
  /** Ask nothing: go on with the answers that are stored. */
  onlyStored?: boolean;
  /** The workflow knows what `handedBack` means. */
  handBack?: boolean;
  /** The shard was begun before, perhaps on another worker: look for what is stored, however recent the last look is. */
  begunBefore?: boolean;
}
export interface OracleShardResult {
  answers: ArtifactRef;
  asked: number;
  cached: number;
  agreed: number;
  wrong: number;
  /** Those of `wrong` that pass 2 can make something of. */
  correctable: number;
  cost: { usd: number; inputTokens: number; outputTokens: number };
  /** The same by model and pass, with what may have been billed besides. */
  spent: LedgerEntry[];
  /** True where the allowance stopped the shard before its end; what was answered is stored. */
  budgetReached: boolean;
  /** With `budgetReached`: what the next question may cost. */
  needUsd?: number;
  /** The worker was stopped in an orderly way: ask again for the rest; what was answered is stored, and in `spent`. */
  handedBack?: boolean;
}

/** A batch to be: questions that are asked together, with one model. */
export interface BatchChunk {
  /** Hash of the provider and the questions. */
  set: string;
  /** One question a line, with the key of its answer as custom id. */
  requests: ArtifactRef;
  count: number;
  model: string;
  /** The most it can cost, in USD. */
  worstUsd: number;
}
export interface BatchPlanInput {
  context: StageContext;
  oracle: Recipe['oracle'];
  promptVersion: Recipe['distill']['promptVersion'];
  pass: 1 | 2;
  shards: DistillationPlan['shards'];
  /** USD that the new batches may cost together at worst; absent: no cap. */
  allowanceUsd?: number;
}
export interface BatchPlan {
  /** Batches that are under way already, then new ones. */
  batches: BatchChunk[];
  /** Questions that are answered. */
  stored: number;
  /** Questions that the allowance did not reach, and what one of them may cost. */
  left: number;
  needUsd?: number;
}
export interface BatchActivityInput {
  context: StageContext;
  oracle: Recipe['oracle'];
  pass: 1 | 2;
  chunk: BatchChunk;
}
export interface BatchStatus {
  state: 'working' | 'ended' | 'lost';
  done: number;
  total: number;
  problem?: { code: string; message: string };
}
export interface BatchHarvestInput extends BatchActivityInput {
  batchId: string;
  /** The provider knows it no more: there is nothing to bring in, only to settle. */
  lost?: boolean;
}
export interface BatchHarvest {
  /** Questions of the batch that are answered now, by it or otherwise; and those that are not. */
  answered: number;
  left: number;
  spent: LedgerEntry[];
}

export interface TrainInput {
  context: StageContext;
  stage: 'base' | 'sft' | 'grpo' | 'reward';
  seed: number;
  recipe: Recipe;
  /** The starting model; absent for `base`, which starts from seeded values and `tokenizer`. */
  model?: ArtifactRef;
  tokenizer?: ArtifactRef;
  /** Samples, documents or RL prompts. */
  data: ArtifactRef;
}
/** `preempted`: stopped on request or by a worker's shutdown after a last checkpoint; call again to go on. */
export type TrainResult = { status: 'done'; outcome: StageOutcome } | { status: 'preempted'; step: number };

export interface JudgeShardInput {
  context: StageContext;
  judge: 'base' | 'sft' | 'grpo';
  model: ArtifactRef;
  pairs: ArtifactRef;
  from: number;
  to: number;
  recipe: Recipe;
  /** Asked at a server on the cluster, which this brings up where there is none. */
  served?: true;
}
export type JudgeShardResult =
  /** `pairs`: how many there were from `from` on, at most `to - from`. */
  | { status: 'done'; judgements: ArtifactRef; pairs: number; tokens: number; seconds: number }
  | { status: 'preempted'; step: number };

/** What decides the outcome of a benchmark evaluation. */
export interface BenchmarkStageInput {
  context: StageContext;
  benchmark: BenchmarkName;
  items: PreparedItems;
  judge: JudgeSettings;
  sampling: Sampling;
  orders: ResolvedBenchmarkInput['orders'];
  /** Samples of each question. */
  votes: number;
}
export interface JudgeItemsInput extends Omit<BenchmarkStageInput, 'items'> {
  /** One item a line. */
  items: ArtifactRef;
  from: number;
  to: number;
  /** Earlier shards, for interim figures: judgements, the sum of their outcomes, and how many there will be in all. */
  before: { judged: number; right: number; total: number };
  /** Questions in flight that an earlier shard found the endpoint to take. */
  concurrency?: number;
}
export interface JudgeItemsResult {
  /** `stopped`: on request, with what was judged. */
  status: 'done' | 'stopped';
  /** One verdict record a line. */
  verdicts: ArtifactRef;
  judged: number;
  sections: Record<string, { count: number; right: number }>;
  /** Sums of the expected outcomes of votes of 1, 2, … all samples. */
  curve: number[];
  /** Verdicts that name both answers or none. */
  errors: number;
  /** Judgements asked now, and found in the store. */
  asked: number;
  found: number;
  inputTokens: number;
  outputTokens: number;
  seconds: number;
  /** Requests that the endpoint refused for load. */
  throttled: number;
  concurrency: number;
  /** What the judge says decides its judgements. */
  identity: Record<string, unknown>;
}
export interface ScoreBenchmarkInput extends BenchmarkStageInput {
  verdicts: ArtifactRef[];
  curve: number[];
  asked: number;
  found: number;
  inputTokens: number;
  outputTokens: number;
  seconds: number;
  identity: Record<string, unknown>;
  /** ISO 8601. */
  startedAt: string;
  /** Not all items were judged. */
  stopped: boolean;
}
/** A page about evaluations of one judge on the same items, one for each completion budget. */
export interface BenchmarkReportInput {
  context: StageContext;
  /** One item a line. */
  items: ArtifactRef;
  evaluations: { verdicts: ArtifactRef; scores: ArtifactRef }[];
}
/** On the queue of the oracle (endpoints) or of training (the engine). */
export interface JudgingActivities {
  judgeItems: (input: JudgeItemsInput) => Promise<JudgeItemsResult>;
}

/** `asksNoOracle`: what is run needs none, so that none has to be reached. */
export type PlanInput = ResolvedRunInput & { asksNoOracle?: true };

/** Short I/O on the orchestration queue. */
export interface IoActivities {
  /** Resolve and check the recipe with its overrides, the store and the oracle; nothing is spent. */
  planRun: (input: PlanInput) => Promise<RunPlan>;
  prepareDataset: (input: DatasetInput) => Promise<StageOutcome>;
  /** A finished stage by its inputs, so that no shard is asked twice. */
  findDistillation: (input: DistillationStage) => Promise<StageOutcome | undefined>;
  /** Choose the pairs that the oracle is asked about, and lay them out in shards. */
  splitPairs: (input: { recipe: Recipe; pairs: ArtifactRef }) => Promise<DistillationPlan>;
  /** What a run has paid for until now, in whatever execution. */
  openLedger: (input: { runId: string }) => Promise<LedgerEntry[]>;
  filterTraces: (input: TracesInput) => Promise<StageOutcome>;
  /** Traces as prompt and completion text of the student, with over-long ones left out. */
  buildSftSet: (input: {
    recipe: Recipe;
    tokenizer: ArtifactRef;
    traces: ArtifactRef;
  }) => Promise<ArtifactRef>;
  buildRlPrompts: (input: {
    recipe: Recipe;
    seed: number;
    tokenizer: ArtifactRef;
    pairs: ArtifactRef;
  }) => Promise<ArtifactRef>;
  /** Pairs as prompt and answers of a reward model, with over-long ones left out. */
  buildRewardSet: (input: {
    recipe: Recipe;
    tokenizer: ArtifactRef;
    pairs: ArtifactRef;
  }) => Promise<ArtifactRef>;
  findEvaluation: (input: EvaluationInput) => Promise<StageOutcome | undefined>;
  scoreJudgements: (
    input: EvaluationInput & { judgements: Record<string, ArtifactRef[]>; tokens: number; seconds: number },
  ) => Promise<StageOutcome>;
  writeReport: (input: ReportInput) => Promise<StageOutcome>;
  /** Ask the owner's server on the cluster, if there is one, to finish what it was asked and end. */
  releaseServer: (owner: ServerOwner) => Promise<void>;
  /** Read and store a benchmark's items. */
  prepareBenchmark: (input: { benchmark: BenchmarkName; data: string[] }) => Promise<PreparedItems>;
  findBenchmark: (input: BenchmarkStageInput) => Promise<StageOutcome | undefined>;
  scoreBenchmark: (input: ScoreBenchmarkInput) => Promise<StageOutcome>;
  /** The HTML page of finished or stopped evaluations. */
  reportBenchmark: (input: BenchmarkReportInput) => Promise<ArtifactRef>;
}
/** One shard of pairs for the student to judge before any oracle does. */
export interface StudentShardInput {
  context: StageContext;
  recipe: Recipe;
  seed: number;
  model: ArtifactRef;
  pairs: ArtifactRef;
  /** Asked at a server on the cluster, which this brings up where there is none. */
  served?: true;
}
export type StudentShardResult =
  /** `answers`: one line a pair. */
  | {
      status: 'done';
      answers: ArtifactRef;
      judged: number;
      agreed: number;
      wrong: number;
      correctable: number;
    }
  | { status: 'preempted'; step: number };

/** What a distillation is about. */
export interface DistillationStage {
  context: StageContext;
  seed: number;
  recipe: Recipe;
  pairs: ArtifactRef;
  /** Judges before the oracle does. */
  student?: ArtifactRef;
}
export interface DistillationPlan {
  /** At most a hundred; each with the number of its pairs. */
  shards: { pairs: ArtifactRef; count: number }[];
  total: number;
}
/** A shard's pairs with the answers of both passes. */
export interface JudgedShard {
  pairs: ArtifactRef;
  firstPass: ArtifactRef[];
  secondPass: ArtifactRef[];
}
export interface TracesInput extends DistillationStage {
  shards?: JudgedShard[];
  /** Instead of `shards`, from runs that began before there were any: answers about the beginning of `pairs`. */
  firstPass?: ArtifactRef[];
  secondPass?: ArtifactRef[];
  cost: StageOutcome['cost'];
  ledger?: LedgerReport;
  /** True where the run went on without all answers: the budget ended and a person said so, or batches failed to bring them. */
  partial?: boolean;
}
export interface EvaluationInput {
  context: StageContext;
  recipe: Recipe;
  models: Refs;
  pairs: ArtifactRef;
  matrix?: ArtifactRef;
  /** The models are asked at a server on the cluster, not on the embedded engine. */
  served?: true;
}
export interface ReportInput {
  context: StageContext;
  recipe: Recipe;
  recipeRef: ArtifactRef;
  seed: number;
  /** ISO 8601. */
  startedAt: string;
  stages: TimedOutcome[];
}

export interface OracleActivities {
  judgeWithOracle: (input: OracleShardInput) => Promise<OracleShardResult>;
  planBatches: (input: BatchPlanInput) => Promise<BatchPlan>;
  /** Idempotent; without an id there was nothing to ask. */
  submitBatch: (input: BatchActivityInput) => Promise<{ batchId?: string }>;
  pollBatch: (input: BatchActivityInput & { batchId: string }) => Promise<BatchStatus>;
  harvestBatch: (input: BatchHarvestInput) => Promise<BatchHarvest>;
  cancelBatch: (input: BatchActivityInput) => Promise<{ batchId?: string }>;
}
export interface TrainingActivities {
  trainModel: (input: TrainInput) => Promise<TrainResult>;
  judgeShard: (input: JudgeShardInput) => Promise<JudgeShardResult>;
  sampleStudent: (input: StudentShardInput) => Promise<StudentShardResult>;
}
