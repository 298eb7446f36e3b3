/** Signatures of the registry's activities; workflows import nothing but these types. */
import type { Recipe } from '../../recipes/schema.js';
import type { PipelineStage, StageName } from '../../workflows/inputs.js';
import type { RunResult } from '../../workflows/messages.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { StageOutcome } from '../stage-outcome.js';
import type { Candidate, Move, PromotionResult } from './champion.js';
import type { JudgeComparison } from './judge-comparison.js';
import type { WatchedHub } from '../../workflows/watched-hub.js';
import type { WatchedPairs } from './new-pairs.js';

/** The champion as a retraining sees it. */
export interface StandingChampion {
  version: number;
  /** Absent before the first promotion. */
  candidate?: Candidate;
  recipe?: Recipe;
}

/** A finished run as a candidate, with the items it was judged on. */
export interface JudgedCandidate {
  candidate: Candidate;
  pairs: ArtifactRef;
  verdicts: ArtifactRef;
}

export interface RegistryActivities {
  readChampion: (input: { alias: string }) => Promise<StandingChampion>;
  findNewPairs: (input: { prefix: string; seen: Record<string, string> }) => Promise<WatchedPairs>;
  findNewHubPairs: (input: { watched: WatchedHub; seen: Record<string, string> }) => Promise<WatchedPairs>;
  /** @throws UserError `ArtifactMissing` where the run has no evaluated judge. */
  describeCandidate: (input: {
    run: RunResult;
    trainedOn?: Candidate['trainedOn'];
  }) => Promise<JudgedCandidate>;
  compareJudges: (input: { champion: ArtifactRef[]; candidate: ArtifactRef[] }) => Promise<JudgeComparison>;
  promoteCandidate: (input: {
    alias: string;
    candidate: Candidate;
    move: Move;
    expectedVersion: number;
  }) => Promise<PromotionResult>;
  /** Outcomes of the stages before `stage` of an earlier run. @throws UserError `InvalidInput`. */
  adoptStages: (input: {
    run: string;
    stage: PipelineStage;
  }) => Promise<Partial<Record<StageName, StageOutcome>>>;
}
