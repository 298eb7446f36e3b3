/** The typed client: start, watch and steer runs from a program. */
export {
  connect,
  RewardModelClient,
  type ConnectOptions,
  type RunSummary,
  type TrainOptions,
} from './reward-model-client.js';
export { RunHandle, type RunStatus } from './run-handle.js';
export { judgeClient, type JudgeClient, type JudgeClientOptions } from './judge-client.js';
export { ClientError, describeError } from './errors.js';
export { EXIT, exitCodeOf } from './exit-codes.js';
export type { WatchOptions } from './watch.js';
export type { AnswerResult, GroupResult, PairResult } from '../serving/schemas.js';
export type { BenchmarkInput } from '../workflows/benchmark-input.js';
export type { TrainRewardModelInput } from '../workflows/inputs.js';
export type {
  Correction,
  RunLineage,
  RunProgress,
  RunResult,
  RunState,
  StageFigures,
  StageProgress,
} from '../workflows/messages.js';
