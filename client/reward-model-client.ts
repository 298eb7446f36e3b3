/** Start runs and find them again. */
import {
  Client,
  Connection,
  WorkflowExecutionAlreadyStartedError,
  type ConnectionOptions,
} from '@temporalio/client';
import { defineSearchAttributeKey, TypedSearchAttributes } from '@temporalio/common';
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import { credentialsFor } from '../infra/connection-profile.js';
import { temporalTarget } from '../infra/temporal-target.js';
import { encryptingConverter } from '../infra/payload-encryption.js';
import { startTracing, type Tracing } from '../infra/tracing/start.js';
import { describeIssues } from '../recipes/describe-issues.js';
import { temporalConfig } from '../temporal.config.js';
import { benchmarkInputSchema, type BenchmarkInput } from '../workflows/benchmark-input.js';
import type { evaluate } from '../workflows/evaluate.js';
import type { TrainRewardModelInput } from '../workflows/inputs.js';
import type { RunState } from '../workflows/messages.js';
import type { trainRewardModel } from '../workflows/train-reward-model.js';
import { ClientError } from './errors.js';
import { evaluationIdOf } from './evaluation-id.js';
import { runIdOf } from './run-id.js';
import { RunHandle } from './run-handle.js';
import { describeStart } from './start-details.js';
import { refusedAtOnce } from './refused-at-once.js';
import { translateTemporalError, type TemporalPlace } from './temporal-errors.js';
import { validateInput } from './validate-input.js';

/** Where to connect; what is absent comes from the environment. */
export interface ConnectOptions {
  /** Default: `TEMPORAL_ADDRESS`, else the local stack's, else `temporal.config.ts`. */
  address?: string;
  /** Default: `TEMPORAL_NAMESPACE`, else the local stack's, else `temporal.config.ts`. */
  namespace?: string;
  /** Default: `TEMPORAL_API_KEY`, or what the profile says. */
  apiKey?: string;
  /** Address of the Temporal UI, for links. */
  uiUrl?: string;
  /** How long to wait for the server, in ms. Default 5,000. */
  timeoutMs?: number;
}

/** How a run is started. */
export interface TrainOptions {
  /** Default: `train-<recipe>-<hash of the input>`, so that starting twice is starting once. */
  workflowId?: string;
}

/** One line of {@link RewardModelClient.runs}, from the server's visibility store. */
export interface RunSummary {
  workflowId: string;
  status: string;
  state?: RunState;
  stage?: string;
  recipe?: string;
  accuracy?: number;
  costUsd?: number;
  startedAt: Date;
  closedAt?: Date;
}

/** For the last spans of a command: a collector that is away must not hold it up. */
const LAST_SPANS_MS = 2_000;

/** Training runs, and the evaluations and stages that were started alone. */
const RUNS =
  "(WorkflowType = 'trainRewardModel' OR (WorkflowType IN ('evaluate', 'distill', 'sft', 'grpo', 'reward') AND ParentWorkflowId IS NULL))";

const key = {
  stage: defineSearchAttributeKey('Stage', 'KEYWORD'),
  state: defineSearchAttributeKey('RunState', 'KEYWORD'),
  recipe: defineSearchAttributeKey('Recipe', 'KEYWORD'),
  accuracy: defineSearchAttributeKey('Accuracy', 'DOUBLE'),
  spend: defineSearchAttributeKey('SpendUsd', 'DOUBLE'),
};

/**
 * Connect to Temporal. Close the client when done, or use `await using`.
 * @throws ClientError `TemporalUnreachable`, `TemporalCredentials` or `NamespaceMissing`.
 */
export async function connect(options: ConnectOptions = {}): Promise<RewardModelClient> {
  const target = temporalTarget();
  const place: TemporalPlace = {
    address: options.address ?? target.address,
    namespace: options.namespace ?? target.namespace,
  };
  const connectionOptions: ConnectionOptions = {
    address: place.address,
    connectTimeout: options.timeoutMs ?? 5_000,
    ...credentialsFor(place.address),
    ...(options.apiKey ? { apiKey: options.apiKey, tls: true } : {}),
  };
  let connection: Connection | undefined;
  try {
    await refusedAtOnce(place.address);
    connection = await Connection.connect(connectionOptions);
    await connection.workflowService.describeNamespace({ namespace: place.namespace });
  } catch (error) {
    await connection?.close();
    throw translateTemporalError(error, place);
  }
  const uiUrl = options.uiUrl ?? (options.address ? undefined : target.uiUrl);
  const tracing = await startTracing('client');
  const client = new Client({
    connection,
    namespace: place.namespace,
    ...encryptingConverter(),
    ...(tracing ? { interceptors: { workflow: tracing.clientInterceptors } } : {}),
  });
  return new RewardModelClient(client, place, uiUrl, tracing);
}

/** Runs on one Temporal server: starts them and finds them again. Made by {@link connect}. */
export class RewardModelClient {
  /** @internal */
  constructor(
    /** The Temporal client underneath, for what this one does not cover. */
    readonly temporal: Client,
    private readonly place: TemporalPlace,
    private readonly uiUrl?: string,
    private readonly tracing?: Tracing,
  ) {}

  /**
   * Start a run, or find the one that the same input started: running and completed runs are not started again.
   * A local file named in `data` is checked and uploaded first, so that workers need not share a disk.
   * @throws ClientError `InvalidInput` with every wrong field, before anything is started.
   */
  async train(input: TrainRewardModelInput = {}, options: TrainOptions = {}): Promise<RunHandle> {
    validateInput(input);
    const resolved = validateInput(await this.withUploadedData(input));
    const workflowId = options.workflowId ?? runIdOf(resolved);
    const { staticSummary, staticDetails, memo } = describeStart(resolved);
    try {
      await this.temporal.workflow.start<typeof trainRewardModel>('trainRewardModel', {
        workflowId,
        taskQueue: temporalConfig.taskQueues.orchestration,
        args: [resolved],
        workflowIdConflictPolicy: 'USE_EXISTING',
        workflowIdReusePolicy: 'ALLOW_DUPLICATE_FAILED_ONLY',
        memo,
        staticSummary,
        staticDetails,
        typedSearchAttributes: new TypedSearchAttributes([
          { key: key.recipe, value: resolved.recipe },
          { key: key.state, value: 'running' },
          { key: key.stage, value: 'dataset' },
        ]),
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) {
        throw translateTemporalError(error, { ...this.place, workflowId });
      }
    }
    return this.run(workflowId);
  }

  /**
   * Evaluate a judge on a benchmark, or find the evaluation of the same items by the same judge while it runs. One that was
   * stopped or lost goes on from the judgements it has.
   * @throws ClientError `InvalidInput` with every wrong field, before anything is started.
   */
  async evaluate(input: BenchmarkInput, options: TrainOptions = {}): Promise<RunHandle> {
    const parsed = benchmarkInputSchema.safeParse(input);
    if (!parsed.success)
      throw new ClientError('InvalidInput', `The input is not valid: ${describeIssues(parsed.error)}`);
    const workflowId = options.workflowId ?? evaluationIdOf(parsed.data);
    try {
      await this.temporal.workflow.start<typeof evaluate>('evaluate', {
        workflowId,
        taskQueue: temporalConfig.taskQueues.orchestration,
        args: [parsed.data],
        workflowIdConflictPolicy: 'USE_EXISTING',
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        staticSummary: `${parsed.data.benchmark} by ${parsed.data.judge.kind}`,
      });
    } catch (error) {
      throw translateTemporalError(error, { ...this.place, workflowId });
    }
    return this.run(workflowId);
  }

  /** A handle of a run by its id; nothing is asked of the server yet. */
  run(workflowId: string): RunHandle {
    const { taskQueues } = temporalConfig;
    const place = { ...this.place, workflowId, taskQueue: taskQueues.orchestration };
    return new RunHandle(this.temporal, place, this.pageOf(workflowId));
  }

  /** Training runs, evaluations and stages started alone, newest first. `query` narrows them: Temporal's visibility syntax, `RunState = 'awaiting-approval'`. */
  async runs({ limit = 50, query }: { limit?: number; query?: string } = {}): Promise<RunSummary[]> {
    const wanted = `${RUNS}${query ? ` AND (${query})` : ''}`;
    const found: RunSummary[] = [];
    try {
      for await (const info of this.temporal.workflow.list({
        query: wanted,
        pageSize: Math.min(limit, 200),
      })) {
        const attributes = info.typedSearchAttributes;
        found.push({
          workflowId: info.workflowId,
          status: info.status.name,
          state: attributes.get(key.state) as RunState | undefined,
          stage: attributes.get(key.stage),
          recipe: attributes.get(key.recipe),
          accuracy: attributes.get(key.accuracy),
          costUsd: attributes.get(key.spend),
          startedAt: info.startTime,
          closedAt: info.closeTime,
        });
        if (found.length === limit) break;
      }
    } catch (error) {
      throw translateTemporalError(error, this.place);
    }
    return found;
  }

  /**
   * Check a JSONL file of preference pairs (gzip or not) and store it.
   * @throws BadDataError that names file, line and field; StoreError where S3 does not take it.
   */
  async upload(file: string): Promise<ArtifactRef> {
    const { uploadPairs } = await import('./upload.js');
    return (await uploadPairs(file)).ref;
  }

  /** Hand over the last spans and end the connection; runs go on. */
  async close(): Promise<void> {
    await this.tracing?.flush(LAST_SPANS_MS);
    await this.temporal.connection.close();
  }

  /** As {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async withUploadedData(input: TrainRewardModelInput): Promise<TrainRewardModelInput> {
    if (typeof input.data !== 'string') return input;
    return { ...input, data: await this.upload(input.data) };
  }

  private pageOf(workflowId: string): string | undefined {
    if (!this.uiUrl) return undefined;
    const base = this.uiUrl.replace(/\/$/, '');
    return `${base}/namespaces/${this.place.namespace}/workflows/${encodeURIComponent(workflowId)}`;
  }
}
