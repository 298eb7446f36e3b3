/** Signatures of all activities, by the kind of worker that runs them; workflows import nothing but these types. */
import type { Recipe } from '../recipes/schema.js';
import type { ResolvedRunInput } from '../workflows/inputs.js';
import type { ArtifactRef } from './artifacts/ref.js';
import type { StageContext, StageOutcome } from './stage-outcome.js';

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
  /** Pass 2: the answers of pass 1 for the same shard. */
  firstPass?: ArtifactRef;
  from: number;
  to: number;
  /** All pairs of the stage, for progress figures. */
  total: number;
  oracle: Recipe['oracle'];
  promptVersion: Recipe['distill']['promptVersion'];
  /** USD that this shard may spend; absent: no cap. */
  budgetUsd?: number;
}
export interface OracleShardResult {
  answers: ArtifactRef;
  asked: number;
  cached: number;
  agreed: number;
  wrong: number;
  cost: { usd: number; inputTokens: number; outputTokens: number };
  /** True where the cap stopped the shard before its end; what was answered is cached. */
  budgetReached: boolean;
}

export interface TrainInput {
  context: StageContext;
  stage: 'base' | 'sft' | 'grpo';
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
}
export type JudgeShardResult =
  /** `pairs`: how many there were from `from` on, at most `to - from`. */
  | { status: 'done'; judgements: ArtifactRef; pairs: number; tokens: number; seconds: number }
  | { status: 'preempted'; step: number };

/** Short I/O on the orchestration queue. */
export interface IoActivities {
  /** Resolve and check the recipe with its overrides, the store and the oracle; nothing is spent. */
  planRun: (input: ResolvedRunInput) => Promise<RunPlan>;
  prepareDataset: (input: DatasetInput) => Promise<StageOutcome>;
  /** A finished stage by its inputs, so that no shard is asked twice. */
  findDistillation: (
    input: Omit<TracesInput, 'firstPass' | 'secondPass'>,
  ) => Promise<StageOutcome | undefined>;
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
  findEvaluation: (input: EvaluationInput) => Promise<StageOutcome | undefined>;
  scoreJudgements: (
    input: EvaluationInput & { judgements: Record<string, ArtifactRef[]>; tokens: number; seconds: number },
  ) => Promise<StageOutcome>;
  writeReport: (input: ReportInput) => Promise<StageOutcome>;
}
export interface TracesInput {
  context: StageContext;
  seed: number;
  recipe: Recipe;
  pairs: ArtifactRef;
  firstPass: ArtifactRef[];
  secondPass: ArtifactRef[];
  cost: StageOutcome['cost'];
}
export interface EvaluationInput {
  context: StageContext;
  recipe: Recipe;
  models: Refs;
  pairs: ArtifactRef;
  matrix?: ArtifactRef;
}
export interface ReportInput {
  context: StageContext;
  recipe: Recipe;
  recipeRef: ArtifactRef;
  seed: number;
  /** ISO 8601. */
  startedAt: string;
  stages: (StageOutcome & { wallSeconds: number })[];
}

export interface OracleActivities {
  judgeWithOracle: (input: OracleShardInput) => Promise<OracleShardResult>;
}
export interface TrainingActivities {
  trainModel: (input: TrainInput) => Promise<TrainResult>;
  judgeShard: (input: JudgeShardInput) => Promise<JudgeShardResult>;
}
