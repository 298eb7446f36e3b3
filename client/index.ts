/** The typed client: start, watch and steer runs from a program. */
export {
  connect,
  RewardModelClient,
  type ConnectOptions,
  type RunSummary,
  type TrainOptions,
} from './reward-model-client.js';
export { RunHandle, type RunStatus } from './run-handle.js';
export { judgeClient, type About, type JudgeClient, type JudgeClientOptions } from './judge-client.js';
export { ClientError, describeError, type ClientErrorType, type DescribedError } from './errors.js';
export { EXIT, exitCodeOf } from './exit-codes.js';
export type { WatchOptions } from './watch.js';
export type { AnswerResult, GroupResult, PairResult, ServedJudgement, Usage } from '../serving/schemas.js';
export type { ArtifactRef } from '../activities/artifacts/ref.js';
export type { BenchmarkInput } from '../workflows/benchmark-input.js';
export type { PipelineStage, StageName, TrainRewardModelInput } from '../workflows/inputs.js';
export type { LedgerEntry, LedgerReport } from '../workflows/ledger.js';
export type {
  Correction,
  RunLineage,
  RunProgress,
  RunResult,
  RunState,
  StageFigures,
  StageProgress,
} from '../workflows/messages.js';
