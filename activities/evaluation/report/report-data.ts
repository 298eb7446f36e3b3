/** Everything a report shows; the JSON report is this object. Shares are 0–1, money USD, time seconds. */
import type {
  AccuracyTable,
  PairedComparison,
  PositionStats,
  StyleMatrix,
} from '../../../benchmarks/index.js';
import type { StepMetrics } from '../../../engine/job.js';
import type { Message, Position } from '../../../judge/pair.js';
import type { DistillationStats } from '../../oracle/distillation-stats.js';

export const REPORT_SCHEMA = 'rmr1-report/1';

export interface ReportData {
  title: string;
  /** What the numbers are about: shown beside every table. `label` is short, `note` one or two sentences. */
  world: { label: string; note: string };
  run: {
    id: string;
    recipe: string;
    seed: number;
    codeCommit: string;
    startedBy?: string;
    /** ISO 8601. */
    startedAt: string;
    finishedAt: string;
  };
  /** The resolved recipe. */
  recipe: unknown;
  /** How the judges were run, for example "greedy decoding, every pair in both orders". */
  protocol: string;
  stages: StageRow[];
  /** In the order of training: base first. */
  systems: SystemRow[];
  comparisons: ComparisonRow[];
  /** Of a run without an oracle: share of pairs that the student judged right, and traces, round by round. */
  rounds: { agreement: number; traces: number }[];
  distillation?: DistillationStats;
  curves: Curves;
  examples: Example[];
  /** What the base model was taught before any judgement, one paragraph each. */
  taught: string[];
  /** Added to what the report says by itself about how numbers were made and what limits them. */
  methods?: string[];
  limits?: string[];
}

export interface StageRow {
  name: string;
  seconds: number;
  costUsd: number;
  inputTokens: number;
  outputTokens: number;
  /** True where an earlier run had made the stage's artefact: its time and cost are that run's. */
  reused: boolean;
  /** The stage's main output. */
  artifact?: { uri: string; sha256: string; bytes?: number };
}

export interface SystemRow {
  /** Stable key, for example `sft`. */
  id: string;
  label: string;
  /** One line under the label, for example "Chain-of-Rubrics traces, 1,500 pairs". */
  description?: string;
  accuracy: AccuracyTable;
  position: PositionStats;
  matrix?: StyleMatrix;
  /** Generated tokens a judgement, and judgements cut by the token limit. */
  meanTokens: number;
  unfinished: number;
}

/** `from` and `to` are system ids; `to` is the later one. */
export interface ComparisonRow extends PairedComparison {
  from: string;
  to: string;
}

export interface Curves {
  base?: StepMetrics[];
  sft?: StepMetrics[];
  grpo?: StepMetrics[];
}

/** `trap`: style speaks for the rejected answer, the first system falls for it and the last does not. */
export type ExampleKind = 'right' | 'wrong' | 'trap';

export interface Example {
  kind: ExampleKind;
  pairId: string;
  category: string;
  conversation: Message[];
  answerA: string;
  answerB: string;
  gold: Position;
  styles?: { chosen: number; rejected: number };
  judgements: ExampleJudgement[];
}

export interface ExampleJudgement {
  /** System id. */
  system: string;
  verdict: 'A' | 'B' | 'both' | 'none';
  right: boolean;
  text: string;
  tokens: number;
  finished: boolean;
}
