/** Training jobs of the engine, run here with everything a comparison needs: figures, first gradient, rollouts, weights. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SafetensorsFile } from '../../engine/checkpoint/safetensors.js';
import { readFlat } from '../../engine/checkpoint/model-directory.js';
import { readCheckpoint } from '../../engine/checkpoint/training-checkpoint.js';
import { EpochOrder, supervisedStep } from '../../engine/data/epochs.js';
import { readGrpoPrompts } from '../../engine/data/prompts.js';
import { readSupervisedData, type EncodedSample } from '../../engine/data/supervised-data.js';
import type { GrpoJob, StepMetrics, SupervisedJob, TrainingJob } from '../../engine/job.js';
import type { FlatLayout } from '../../engine/model/parameters.js';
import type { TrainingRuntime } from '../../engine/model/runtime.js';
import { trainables } from '../../engine/model/trained-model.js';
import { Decoder } from '../../engine/rollout/decoder.js';
import { jobFingerprint } from '../../engine/trainer/fingerprint.js';
import { accumulateGrpo, splitEvenly } from '../../engine/trainer/grpo-update.js';
import { runGrpo } from '../../engine/trainer/grpo.js';
import type { EngineIo } from '../../engine/trainer/io.js';
import { rollOut, rolloutSettings, type Rollout } from '../../engine/trainer/rollouts.js';
import { loadSourceModel } from '../../engine/trainer/source-model.js';
import { accumulateSupervised, runSupervised } from '../../engine/trainer/supervised.js';
import {
  createRuntime,
  initialTrainables,
  planTraining,
  rolloutWeights,
  type TrainingPlan,
} from '../../engine/trainer/training-plan.js';

export const QUIET: EngineIo = { emit: () => {}, stopRequested: false, breathe: () => Promise.resolve() };

export interface OurRun {
  metrics: StepMetrics[];
  layout: FlatLayout;
  /** Flat vectors of `layout`: trained weights before the first and after the last step, gradient of the first update. */
  start: Float32Array;
  end: Float32Array;
  gradient: Float32Array;
}

/** @returns the run, and its samples in the order in which they were learned from */
export async function trainSupervised(
  job: SupervisedJob,
  steps: number,
): Promise<OurRun & { samples: EncodedSample[] }> {
  const plan = planTraining(job, loadSourceModel(job));
  const all = readSupervisedData(job.data, plan.model.tokenizer, job);
  const order = new EpochOrder(all.length, job.seed);
  const batches = Array.from({ length: steps }, (_, step) =>
    supervisedStep(order, all.length, job.batchSize, step).map(({ item }) => all[item]!),
  );
  const gradient = await firstGradient(plan, job, (runtime) =>
    accumulateSupervised(runtime, plan, batches[0]!, () => QUIET.breathe()),
  );
  await runSupervised(job, QUIET);
  return { ...outcome(plan, job), gradient, samples: batches.flat() };
}

/**
 * Run a GRPO job that checkpoints every step, and make its rollouts again from its checkpoints: they depend on weights,
 * seed and step alone.
 * @returns the run and its rollouts, step by step
 */
export async function trainGrpo(job: GrpoJob): Promise<OurRun & { rollouts: Rollout[][] }> {
  if (job.checkpointEverySteps !== 1 || job.objective === 'dapo')
    throw new Error('rollouts are made again from checkpoints of every step and fixed draws');
  await runGrpo(job, QUIET);
  const plan = planTraining(job, loadSourceModel(job));
  const { tokenizer } = plan.model;
  const prompts = readGrpoPrompts(job.data, tokenizer, job.maxPromptTokens);
  const order = new EpochOrder(prompts.length, job.seed);
  const decoder = new Decoder(plan.trained, job.threads);
  const rollouts: Rollout[][] = [];
  for (let step = 1; step <= job.steps; step += 1) {
    const weights = step === 1 ? initialTrainables(plan, job.seed) : weightsAfter(step - 1, plan, job);
    const drawn = order
      .visits((step - 1) * job.promptsPerStep, job.promptsPerStep)
      .map(({ item, epoch }) => ({ prompt: prompts[item]!, epoch }));
    const settings = rolloutSettings(job, plan.model, step);
    const groups = await rollOut(decoder, tokenizer, rolloutWeights(plan, weights), drawn, settings);
    rollouts.push(groups.flat());
  }
  await decoder.release();
  const run = outcome(plan, job);
  requireSameRollouts(run.metrics, rollouts);
  const first = splitEvenly(rollouts[0]!, job.miniBatches)[0]!;
  const gradient = await firstGradient(plan, job, (runtime) =>
    accumulateGrpo(runtime, plan, job, first, () => QUIET.breathe()),
  );
  return { ...run, gradient, rollouts };
}

function weightsAfter(step: number, plan: TrainingPlan, job: TrainingJob): Float32Array {
  const dir = join(job.outputDir, 'checkpoints', `step-${step}`);
  return readCheckpoint(dir, trainables(plan.trained), jobFingerprint(job)).parameters;
}

/** The job saw the same: its mean reward and length of every step are those of the rollouts made again. */
function requireSameRollouts(metrics: readonly StepMetrics[], rollouts: readonly Rollout[][]): void {
  for (const [i, { reward, completionTokens }] of metrics.entries()) {
    const step = rollouts[i]!;
    const mean = (of: (rollout: Rollout) => number) => step.reduce((sum, r) => sum + of(r), 0) / step.length;
    if (mean((r) => r.reward) !== reward || mean((r) => r.completionTokens) !== completionTokens)
      throw new Error(`rollouts of step ${i + 1} are not those of the job`);
  }
}

async function firstGradient(
  plan: TrainingPlan,
  job: TrainingJob,
  accumulate: (runtime: TrainingRuntime) => Promise<unknown>,
): Promise<Float32Array> {
  const params = initialTrainables(plan, job.seed);
  const zeros = () => new Float32Array(params.length);
  const runtime = await createRuntime(plan, { params, m: zeros(), v: zeros(), step: 0 }, job);
  await accumulate(runtime);
  const gradient = runtime.gradient.slice();
  await runtime.release();
  return gradient;
}

function outcome(plan: TrainingPlan, job: TrainingJob): Omit<OurRun, 'gradient'> {
  const layout = trainables(plan.trained);
  const file = plan.trained.adapter ? 'adapter/adapter_model.safetensors' : 'model/model.safetensors';
  return {
    metrics: readFileSync(join(job.outputDir, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as StepMetrics),
    layout,
    start: initialTrainables(plan, job.seed),
    end: readVector(join(job.outputDir, file), layout),
  };
}

/** A flat vector of `layout` from the tensors of a file whose names begin with `prefix`. */
export function readVector(path: string, layout: FlatLayout, prefix = ''): Float32Array {
  return SafetensorsFile.use(path, 'the tensors', (file) => readFlat(file, layout, prefix));
}
