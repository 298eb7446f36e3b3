/** Name of the worker deployment that versioned workers belong to (`RMR1_BUILD_ID`). */
export const DEPLOYMENT = 'rmr1';

/**
 * The one place for Temporal settings: address, namespace, retention, task queues, search attributes.
 * Pure constants, so that workflows may import it too; `infra/environment.ts` lets the environment override them.
 */
export const temporalConfig = {
  /** Overridden by `TEMPORAL_ADDRESS`, else by the running local stack. */
  address: '127.0.0.1:7233',
  /** Overridden by `TEMPORAL_NAMESPACE`. */
  namespace: 'rmr1',
  retentionDays: 30,
  taskQueues: {
    /** Workflows and short I/O activities. */
    orchestration: 'rmr1',
    /** Calls to oracle APIs: many at a time, hardly any CPU. */
    oracle: 'rmr1-oracle',
    /** Holds the CPU or the GPU: one activity at a time per worker. */
    training: 'rmr1-training',
  },
  /** Typed search attributes; the stack registers them, because an unregistered one stalls a workflow task for ever. */
  searchAttributes: {
    Stage: 'KEYWORD',
    RunState: 'KEYWORD',
    Recipe: 'KEYWORD',
    Accuracy: 'DOUBLE',
    SpendUsd: 'DOUBLE',
    Step: 'INT',
  },
} as const;
