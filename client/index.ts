/** The typed client: start, watch and steer runs from a program. */
export {
  connect,
  RewardModelClient,
  type ConnectOptions,
  type RunSummary,
  type TrainOptions,
} from './reward-model-client.js';
export { RunHandle, type RunStatus } from './run-handle.js';
export { ClientError, describeError } from './errors.js';
export { EXIT, exitCodeOf } from './exit-codes.js';
export type { WatchOptions } from './watch.js';
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
