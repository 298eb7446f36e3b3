/** Signals, queries and updates. In a file of their own so that a client imports no workflow code. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import type { StageName } from './inputs.js';
import type { LedgerReport } from './ledger.js';

export type RunState =
  | 'running'
  | 'paused'
  | 'awaiting-approval'
  | 'awaiting-correction'
  | 'completed'
  | 'failed'
  | 'rejected'
  | 'cancelled';

/** Latest figures of a stage that works through steps or items. */
export interface StageFigures {
  step: number;
  total: number;
  loss?: number;
  reward?: number;
  kl?: number;
  accuracy?: number;
  /** 95 % interval of the accuracy. */
  low?: number;
  high?: number;
  tokensPerSecond?: number;
  etaSeconds?: number;
}

/** How one stage stands. */
export interface StageProgress {
  name: StageName;
  state: 'pending' | 'running' | 'done' | 'reused' | 'failed';
  /** Of stages that are run several times: which time this is. */
  round?: number;
  rounds?: number;
  /** Workflow that runs the stage: the parent itself for small stages. */
  workflowId?: string;
  startedAt?: string;
  seconds?: number;
  costUsd?: number;
  inputTokens?: number;
  outputTokens?: number;
  figures?: StageFigures;
  /** Small numbers from the stage's manifest, such as accuracies. */
  metrics?: Record<string, number>;
  outputs?: Record<string, ArtifactRef>;
  /** What went wrong last, while the run waits for a correction. */
  problem?: string;
  /** Why it stands still; added by clients, which see what waits for a worker. */
  waits?: string;
  /** It is tried again, and what ended the attempt before; added by clients. */
  again?: { attempt: number; after: string };
}

/** Answer of the `progress` query. */
export interface RunProgress {
  workflowId: string;
  recipe: string;
  state: RunState;
  stage: StageName;
  stages: StageProgress[];
  /** Present while `awaiting-correction`: the failing stage, the error's type and what to do. */
  problem?: { stage: StageName; type: string; message: string };
  costUsd: number;
}

/** Answer of the `lineage` query: every artefact of the run with the artefacts it was made from. */
export interface RunLineage {
  workflowId: string;
  recipe?: ArtifactRef;
  stages: {
    stage: StageName;
    key: string;
    outputs: Record<string, ArtifactRef>;
    parents: Record<string, ArtifactRef>;
  }[];
}

/** Result of `trainRewardModel`. */
export interface RunResult {
  workflowId: string;
  recipe: string;
  state: 'completed' | 'rejected';
  model?: ArtifactRef;
  scores?: ArtifactRef;
  /** The resolved recipe. */
  recipeRef?: ArtifactRef;
  /** HTML report; `reportJson` holds the same numbers. */
  report?: ArtifactRef;
  reportJson?: ArtifactRef;
  metrics: Record<string, number>;
  costUsd: number;
}

/** A change to recipe fields by dotted path, for example `{"sft.learningRate": 0.001}`. Empty: just try again. */
export interface Correction {
  overrides?: Record<string, unknown>;
  data?: string | ArtifactRef;
  /** A new hard cap on oracle spending. */
  budgetUsd?: number;
}

/** The `raiseBudget` update: the new hard cap, above the present one. */
export interface BudgetRaise {
  usd: number;
}

export const progressQuery = defineQuery<RunProgress>('progress');
export const lineageQuery = defineQuery<RunLineage>('lineage');
/** What was spent on oracles, by stage, pass and model. */
export const ledgerQuery = defineQuery<LedgerReport>('ledger');

export const pauseUpdate = defineUpdate<RunState, [{ reason?: string } | undefined]>('pause');
export const resumeUpdate = defineUpdate<RunState>('resume');
export const approveUpdate = defineUpdate<RunState, [{ stage?: StageName; by?: string } | undefined]>(
  'approve',
);
export const rejectUpdate = defineUpdate<RunState, [{ stage?: StageName; reason?: string } | undefined]>(
  'reject',
);
export const correctUpdate = defineUpdate<RunState, [Correction | undefined]>('correct');
/** At any time: a higher hard cap on oracle spending. */
export const raiseBudgetUpdate = defineUpdate<RunState, [BudgetRaise]>('raiseBudget');
/** At the cap: ask nothing more, train on the traces that are paid for. */
export const continueWithWhatIsThereUpdate = defineUpdate<RunState>('continueWithWhatIsThere');

/** Evaluation of a benchmark: score what is there and end. */
export const stopUpdate = defineUpdate<RunState>('stop');

/** Figures of a running stage; sent by its activities, rarely (the interval grows with the age of the stage). */
export const stageFiguresSignal = defineSignal<[{ stage: StageName; figures: StageFigures }]>('stageFigures');
/** Parent → child: hold or go on, with the number of the order: signals may arrive in another order than sent. */
export const holdSignal = defineSignal<[held: boolean, order?: number]>('hold');
/** Parent → child: a new hard cap in USD. */
export const budgetSignal = defineSignal<[number]>('budget');
/** Child → parent: what it has spent; rarely, and at its end. */
export const ledgerSignal = defineSignal<[LedgerReport]>('ledgerReport');
