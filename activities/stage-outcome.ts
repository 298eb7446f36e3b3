/** What a finished stage hands to the workflow: references and small numbers only. */
import type { StageName } from '../workflows/inputs.js';
import type { ArtifactRef } from './artifacts/ref.js';

export interface StageOutcome {
  stage: StageName;
  /** Content hash of everything that determines the outputs. */
  key: string;
  /** True where a manifest existed already, made by this or any other run. */
  reused: boolean;
  outputs: Record<string, ArtifactRef>;
  parents: Record<string, ArtifactRef>;
  metrics: Record<string, number>;
  cost: { usd: number; inputTokens: number; outputTokens: number; seconds: number };
}

/** A finished stage with the wall time the run spent on it; of stages that work in rounds, one for each. */
export type TimedOutcome = StageOutcome & { wallSeconds: number; round?: number };

/** Who asks for a stage, for its manifest and for progress signals. */
export interface StageContext {
  /** The run's root workflow, named in manifests. */
  runId: string;
  startedBy: string;
  /** Workflows that want `stageFigures` signals. */
  notify: string[];
}
