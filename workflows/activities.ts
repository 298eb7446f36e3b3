/** Activity proxies, one group per failure profile. */
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import type {
  IoActivities,
  JudgingActivities,
  OracleActivities,
  TrainingActivities,
} from '../activities/interface.js';
import type { RegistryActivities } from '../activities/registry/interface.js';
import { temporalConfig } from '../temporal.config.js';
import { NON_RETRYABLE } from './errors.js';
import type { JudgeKind } from './judge-settings.js';

const { taskQueues } = temporalConfig;

/** Seconds of silence after which a worker counts as lost, where no plan of a run says otherwise. */
const HEARTBEAT_SECONDS = 30;

/** Short I/O: minutes at most; a store that is down for a while is waited for. */
export function io(heartbeatSeconds = HEARTBEAT_SECONDS): IoActivities & RegistryActivities {
  return proxyActivities<IoActivities & RegistryActivities>({
    taskQueue: taskQueues.orchestration,
    startToCloseTimeout: '15 minutes',
    heartbeatTimeout: 2 * heartbeatSeconds * 1000,
    retry: {
      initialInterval: '1 second',
      maximumInterval: '30 seconds',
      maximumAttempts: 8,
      nonRetryableErrorTypes: NON_RETRYABLE,
    },
  });
}

/** The checks before anything is spent: a service that is not there is reported in seconds, not waited for. */
export const planning = proxyActivities<Pick<IoActivities, 'planRun'>>({
  taskQueue: taskQueues.orchestration,
  startToCloseTimeout: '3 minutes',
  heartbeatTimeout: '60 seconds',
  retry: { initialInterval: '1 second', maximumAttempts: 3, nonRetryableErrorTypes: NON_RETRYABLE },
});

/** Oracle calls: slow, rate limited, costly; answers are cached one by one, so a retry asks only what is missing. */
export function oracle(heartbeatSeconds: number): OracleActivities {
  return proxyActivities<OracleActivities>({
    taskQueue: taskQueues.oracle,
    // A shard of 8,000 pairs at slow answers takes most of a day; a lost worker is noticed by its heartbeats.
    startToCloseTimeout: '7 days',
    // Its worker sends a heartbeat every five seconds at most: twice the patience that training gets.
    heartbeatTimeout: 2 * heartbeatSeconds * 1000,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: {
      initialInterval: '2 seconds',
      maximumInterval: '2 minutes',
      maximumAttempts: 10,
      nonRetryableErrorTypes: NON_RETRYABLE,
    },
  });
}

/**
 * Batches: every call is short but for the transfer of files. Submitting and harvesting outlast an outage of a day:
 * what was paid must be brought in. A look at a batch that fails is made up for by the next one.
 */
export function batches(heartbeatSeconds: number): Omit<OracleActivities, 'judgeWithOracle'> {
  const options = {
    taskQueue: taskQueues.oracle,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  } as const;
  const { planBatches, submitBatch, harvestBatch, cancelBatch } = proxyActivities<OracleActivities>({
    ...options,
    startToCloseTimeout: '2 hours',
    heartbeatTimeout: 2 * heartbeatSeconds * 1000,
    retry: {
      initialInterval: '2 seconds',
      maximumInterval: '10 minutes',
      maximumAttempts: 200,
      nonRetryableErrorTypes: NON_RETRYABLE,
    },
  });
  const { pollBatch } = proxyActivities<OracleActivities>({
    ...options,
    startToCloseTimeout: '10 minutes',
    // A worker that is lost while it looks must not cost those ten minutes.
    heartbeatTimeout: 2 * heartbeatSeconds * 1000,
    retry: { maximumAttempts: 1 },
  });
  return { planBatches, submitBatch, pollBatch, harvestBatch, cancelBatch };
}

/** Kinds of judges that are asked where training runs: on its engine, or on the cluster that it knows. */
const AT_TRAINING: readonly JudgeKind[] = ['local', 'local-scalar', 'vllm'];

/** Questions to judges: endpoints beside the oracle's calls, the others where training runs. */
export function judging(kind: JudgeKind): JudgingActivities {
  return proxyActivities<JudgingActivities>({
    taskQueue: AT_TRAINING.includes(kind) ? taskQueues.training : taskQueues.oracle,
    startToCloseTimeout: '7 days',
    heartbeatTimeout: '60 seconds',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: {
      initialInterval: '2 seconds',
      maximumInterval: '2 minutes',
      maximumAttempts: 10,
      nonRetryableErrorTypes: NON_RETRYABLE,
    },
  });
}

/** Training and judging: hours, one at a time per worker, resumed from checkpoints; cancelling waits for the last one. */
export function training(heartbeatSeconds: number): TrainingActivities {
  return proxyActivities<TrainingActivities>({
    taskQueue: taskQueues.training,
    startToCloseTimeout: '7 days',
    heartbeatTimeout: heartbeatSeconds * 1000,
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: {
      initialInterval: '1 second',
      backoffCoefficient: 1.5,
      maximumInterval: '1 minute',
      maximumAttempts: 20,
      nonRetryableErrorTypes: NON_RETRYABLE,
    },
  });
}
