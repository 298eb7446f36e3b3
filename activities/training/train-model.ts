/** Train one stage's model: find or resume it, supervise the engine, store its checkpoints, publish the result. */
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { mkdir, readFile, rm, rmdir } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { StepMetrics } from '../../engine/job.js';
import { homeDirectory } from '../../infra/environment.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import { stageKey } from '../artifacts/stage-key.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { TrainInput, TrainResult } from '../interface.js';
import { trainsOnRay } from '../ray/make-spec.js';
import { trainOnRay } from '../ray/train-on-ray.js';
import { findStage, finishStage } from '../stage.js';
import { CheckpointUploads } from './checkpoint-uploads.js';
import { importBase } from './import-base.js';
import { startEngine } from './engine-process.js';
import { FiguresReporter } from './figures.js';
import { StageLease } from './lease.js';
import { stageMetrics } from './stage-metrics.js';
import { engineJob, trainingIdentity } from './training-job.js';

/**
 * Run a training stage to its end, or to a checkpoint when the activity is cancelled or its worker shuts down.
 * @param engine how an engine is started; simulations replace it.
 * @throws UserError `TrainerLost` (retried, resumes), `TrainerRefused`, `DiskFull`; StoreError.
 */
export async function trainModel(
  store: ArtifactStore,
  client: Client,
  input: TrainInput,
  engine = startEngine,
): Promise<TrainResult> {
  if (input.stage === 'base' && input.recipe.base.kind === 'pretrained')
    return importedBase(store, input, input.recipe.base);
  const identity = trainingIdentity(input);
  const key = stageKey(identity);
  const info = Context.current().info;
  const signal = Context.current().cancellationSignal;
  const reporter = new FiguresReporter(input.stage, client, input.context.notify);
  const owner = `${info.workflowExecution?.workflowId ?? 'unknown'}/${info.activityId}`;
  const leaseSeconds = Math.max(10, (info.heartbeatTimeoutMs ?? 30_000) / 1000);
  let lease: StageLease | undefined;
  try {
    const finished = async () => (await findStage(store, identity)) !== undefined;
    if (!(await finished())) {
      lease = await StageLease.acquire(store, key, owner, leaseSeconds, finished, signal);
    }
    const standing = await findStage(store, identity);
    if (standing) return { status: 'done', outcome: standing };
    if (trainsOnRay(input)) return await trainOnRay(store, { input, identity, key, owner, reporter, signal });
    return await trainUnderLease(store, input, key, owner, reporter, signal, engine);
  } catch (error) {
    // Cancelled before the engine ran: nothing is lost, the workflow decides whether to call again.
    if (signal.aborted && (error as Error).name === 'AbortError')
      return { status: 'preempted', step: reporter.step };
    throw error;
  } finally {
    reporter.stop();
    await lease?.release();
  }
}

/** A base that is not trained. An import that is stopped is handed back, as training is, and burns no attempt. */
async function importedBase(
  store: ArtifactStore,
  input: TrainInput,
  base: Parameters<typeof importBase>[2],
): Promise<TrainResult> {
  try {
    return { status: 'done', outcome: await importBase(store, input, base) };
  } catch (error) {
    if (Context.current().cancellationSignal.aborted && (error as Error).name === 'AbortError')
      return { status: 'preempted', step: 0 };
    throw error;
  }
}

async function trainUnderLease(
  store: ArtifactStore,
  input: TrainInput,
  key: string,
  owner: string,
  reporter: FiguresReporter,
  signal: AbortSignal,
  start: typeof startEngine,
): Promise<TrainResult> {
  const began = Date.now();
  const { attempt, latest } = await store.claimStage(key, owner);
  const dir = join(homeDirectory(), 'work', `${input.stage}-${key.slice(0, 16)}`, `attempt-${attempt}`);
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  try {
    const paths = { model: join(dir, 'model-in'), data: join(dir, 'data.jsonl'), output: join(dir, 'out') };
    await store.fetchDirectory((input.model ?? input.tokenizer)!, paths.model);
    await store.getFile(input.data, paths.data);
    const resumeFrom = join(dir, 'resume');
    const resumed = latest ? await store.fetchCheckpoint(key, resumeFrom) : undefined;
    const job = engineJob(input, { ...paths, ...(resumed ? { resumeFrom } : {}) });

    let stop = () => {};
    const uploads = new CheckpointUploads(
      store,
      key,
      attempt,
      () => stop(),
      () => reporter.checkpointStored(),
    );
    const engine = await start(job, dir, (event) => {
      reporter.take(event);
      if (event.type === 'checkpoint') uploads.add(event.step, event.dir);
    });
    stop = engine.stop;
    if (signal.aborted) engine.stop();
    signal.addEventListener('abort', engine.stop, { once: true });

    const end = await engine.ended.finally(() => uploads.settle());
    if (end.status === 'preempted') return { status: 'preempted', step: uploads.storedStep ?? reporter.step };

    const outputs = await storeResult(store, end.dir, paths.output);
    const outcome = await finishStage(store, trainingIdentity(input), input.context, {
      outputs: outputs.refs,
      metrics: outputs.metrics,
      cost: { usd: 0, inputTokens: 0, outputTokens: outputs.tokens, seconds: (Date.now() - began) / 1000 },
    });
    return { status: 'done', outcome };
  } finally {
    if (!process.env.RMR1_KEEP_WORK) {
      await rm(dir, { recursive: true, force: true });
      // Other attempts may still be in it.
      await rmdir(dirname(dir)).catch(() => undefined);
    }
  }
}

async function storeResult(store: ArtifactStore, modelDir: string, outputDir: string) {
  const refs: Record<string, ArtifactRef> = { model: await store.putDirectory('model', modelDir) };
  const metricsFile = join(outputDir, 'metrics.jsonl');
  const lines = (await readFile(metricsFile, 'utf8')).trim().split('\n');
  const steps = lines.filter(Boolean).map((line) => JSON.parse(line) as StepMetrics);
  refs.metrics = await store.putFile('metrics', metricsFile);
  const adapter = join(outputDir, 'adapter');
  if (existsSync(adapter)) refs.adapter = await store.putDirectory('adapter', adapter);
  const rollouts = join(outputDir, 'rollouts.jsonl');
  if (existsSync(rollouts)) refs.rollouts = await store.putFile('outputs', rollouts);
  return { refs, metrics: stageMetrics(steps), tokens: steps.reduce((sum, { tokens }) => sum + tokens, 0) };
}
