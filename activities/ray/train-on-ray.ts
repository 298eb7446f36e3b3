/** Train a stage as a job on a Ray cluster: attach to the one at work, or start the next; take over what it made. */
import { cancellationDetails, Context } from '@temporalio/activity';
import type { StepMetrics } from '../../engine/job.js';
import { UserError } from '../../workflows/errors.js';
import { CHECKPOINTS_KEPT } from '../artifacts/checkpoints.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { TrainInput, TrainResult } from '../interface.js';
import { finishStage, type StageIdentity } from '../stage.js';
import type { FiguresReporter } from '../training/figures.js';
import { stageMetrics } from '../training/stage-metrics.js';
import { DEADLINES, type Deadlines, followJob } from './follow-job.js';
import { lastJob, metadataOf, readResult } from './job-on-cluster.js';
import { asEngineEvent, type JobEvent } from './log-tail.js';
import { raySettings, trainingSpec } from './make-spec.js';
import { jobOfStage } from './stage-job.js';
import { rayRecords, type TrainingResult } from './training-spec.js';

export interface RayStage {
  input: TrainInput;
  identity: StageIdentity;
  key: string;
  owner: string;
  reporter: FiguresReporter;
  signal: AbortSignal;
}

/**
 * Run a training stage to its end, or to a checkpoint when it is cancelled or paused. Where only the worker goes, the job
 * works on, and the next worker attaches to it.
 */
export async function trainOnRay(
  store: ArtifactStore,
  stage: RayStage,
  deadlines: Deadlines = DEADLINES,
): Promise<TrainResult> {
  const { input, key, reporter, signal } = stage;
  const standing = await lastJob(store, key);
  const left = standing && (await readResult(store, key, standing.attempt));
  if (left) return { status: 'done', outcome: await takeOver(store, stage, left) };

  const { cpusPerNode: cpus, gpusPerNode: gpus } = raySettings(input.recipe);
  const { api, job } = await jobOfStage(store, {
    stageKey: key,
    owner: stage.owner,
    standing,
    spec: (attempt) => trainingSpec(input, { stageKey: key, attempt }),
    patienceMs: deadlines.away,
    metadata: metadataOf(
      Context.current().info.workflowExecution?.workflowId ?? 'unknown',
      input.stage,
      input.recipe.name,
    ),
    signal,
  });
  const records = rayRecords(key);
  const prunes = new Prunes(store, key);
  const end = await followJob({
    api,
    submissionId: job.submissionId,
    result: () => readResult(store, key, job.attempt),
    onEvent: (event) => show(event, reporter, prunes),
    signal,
    whenAborted: () => {
      const { cancelRequested, paused } = cancellationDetails() ?? {};
      return cancelRequested || paused ? 'stop' : 'leave';
    },
    askToStop: async () =>
      void (await store.putJson(records.stop(job.attempt), { at: new Date().toISOString() })),
    needs: { cpus, gpus },
    deadlines,
  }).finally(() => prunes.settle());
  if (end.status !== 'done') return { status: 'preempted', step: reporter.step };
  return { status: 'done', outcome: await takeOver(store, stage, end.result) };
}

function show(event: JobEvent, reporter: FiguresReporter, prunes: Prunes): void {
  const engineEvent = asEngineEvent(event);
  if (engineEvent) reporter.take(engineEvent);
  if (event.type === 'stored') {
    reporter.checkpointStored();
    prunes.add();
  }
}

/** Old checkpoints go while training goes on; that one stays too long is no failure of the training. */
class Prunes {
  private running: Promise<unknown> | undefined;

  constructor(
    private readonly store: ArtifactStore,
    private readonly key: string,
  ) {}

  add(): void {
    this.running ??= this.store
      .pruneCheckpoints(this.key, CHECKPOINTS_KEPT)
      .catch(() => undefined)
      .finally(() => {
        this.running = undefined;
      });
  }

  async settle(): Promise<void> {
    await this.running;
  }
}

/** Declare the stage finished with what the job left, once every file of it is there. */
async function takeOver(store: ArtifactStore, { identity, input }: RayStage, result: TrainingResult) {
  const { outputs, seconds } = result;
  const { model, metrics } = outputs;
  if (!model || !metrics)
    throw new UserError(
      'CorruptArtifact',
      'The job left a result without a model: delete the record of it to train again.',
    );
  const { files } = await store.readListing(model);
  const root = model.uri.slice(0, model.uri.lastIndexOf('objects/'));
  for (const { sha256, bytes, path } of files) {
    const uri = `${root}objects/${sha256.slice(0, 2)}/${sha256}`;
    if (!(await store.has({ uri, sha256, bytes, kind: 'model' })))
      throw new UserError(
        'ArtifactMissing',
        `The job's model lacks its file ${path}: delete the record of its result to train again.`,
      );
  }
  const steps: StepMetrics[] = [];
  for await (const line of store.openLines(metrics)) steps.push(line as StepMetrics);
  return finishStage(store, identity, input.context, {
    outputs,
    metrics: stageMetrics(steps),
    cost: {
      usd: 0,
      inputTokens: 0,
      outputTokens: steps.reduce((sum, { tokens }) => sum + tokens, 0),
      seconds,
    },
  });
}
