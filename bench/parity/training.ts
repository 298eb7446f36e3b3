/**
 * Training runs of the engine against TRL's trainers: the same weights, data in the same order, the same optimiser and,
 * for GRPO, the same rollouts. Compared are the losses and gradient norms of every step, the whole gradient of the first
 * update, and the weights in the end.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeAdapterFiles } from '../../engine/checkpoint/adapter-directory.js';
import { engineJobSchema, type GrpoJob, type SupervisedJob } from '../../engine/job.js';
import { adapterLayout } from '../../engine/model/adapter.js';
import { loadSourceModel } from '../../engine/trainer/source-model.js';
import type { BenchResult } from '../result.js';
import { distanceResult } from './distance.js';
import { readVector, trainGrpo, trainSupervised, type OurRun } from './our-training.js';
import { askPython } from './python.js';
import {
  COMPLETION_TOKENS,
  PROMPT_TOKENS,
  trainedSmallModel,
  writeSmallModel,
  writeVerdicts,
} from './small-judge.js';

const STEPS = 10;
const THREADS = 1;
/** Micro-batches of an update in TRL; the engine packs the same samples by tokens. */
const ACCUMULATION = 2;

const OPTIMIZER = { learningRate: 2e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

const GRPO_OPTIMIZER = {
  ...OPTIMIZER,
  learningRate: 3e-4,
  ...{ schedule: 'constant' as const, warmupSteps: 0, flatShare: 0.6, finalShare: 0, gradClip: 0.5 },
};

interface Answer {
  losses: number[];
  norms: number[];
  versions: Record<string, string>;
  /** GRPO: largest differences of log-probabilities of rollouts, and of advantages. */
  logps?: number;
  advantages?: number;
}

export async function trainingParity(python: string): Promise<BenchResult[]> {
  const work = mkdtempSync(join(tmpdir(), 'rmr1-parity-'));
  const dir = (name: string): string => {
    mkdirSync(join(work, name));
    return join(work, name);
  };
  try {
    return [
      ...(await supervised(python, 'SFT, all weights', dir('sft'), {})),
      ...(await supervised(python, 'SFT, adapters', dir('lora'), {
        lora: { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'o_proj', 'down_proj'] },
      })),
      ...(await grpo(python, 'GRPO (TRL: loss_type bnpo)', dir('grpo'), {}, {})),
      ...(await grpo(
        python,
        'Dr. GRPO (TRL: loss_type dr_grpo, scale_rewards none)',
        dir('dr-grpo'),
        { objective: 'dr-grpo' },
        { lossType: 'dr_grpo', scaleRewards: 'none' },
      )),
      ...(await grpo(
        python,
        'GSPO without KL (TRL: loss_type grpo, importance_sampling_level sequence)',
        dir('gspo'),
        { objective: 'gspo', klCoefficient: 0 },
        { lossType: 'grpo', level: 'sequence' },
      )),
      // What DAPO draws depends on what it has drawn: compared is its loss, on fixed draws, with updates so large that
      // it clips. TRL's loss_type dapo divides a mini-batch by the tokens of the whole step and not by its own.
      ...(await grpo(
        python,
        'loss of DAPO, clip 0.2 and 0.28 (TRL: loss_type bnpo, epsilon_high 0.28)',
        dir('dapo'),
        { clipHigh: 0.28, klCoefficient: 0, optimizer: { ...GRPO_OPTIMIZER, learningRate: 1e-3 } },
        {},
      )),
    ];
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function supervised(
  python: string,
  name: string,
  dir: string,
  change: Partial<SupervisedJob>,
): Promise<BenchResult[]> {
  const model = writeSmallModel(dir, { tieEmbeddings: true });
  const batchSize = 8;
  const job = engineJobSchema.parse({
    kind: 'supervised',
    seed: 3,
    model: { from: 'directory', path: model },
    data: writeVerdicts(dir),
    outputDir: join(dir, 'out'),
    threads: THREADS,
    checkpointEverySteps: 1_000,
    optimizer: { ...OPTIMIZER, schedule: 'cosine', gradClip: 1 },
    epochs: 1,
    batchSize,
    maxLength: 64,
    microBatchTokens: 128,
    ...change,
  }) as SupervisedJob;
  const run = await trainSupervised(job, STEPS);
  const adapter = change.lora && join(dir, 'adapter');
  if (change.lora && adapter) {
    mkdirSync(adapter);
    writeAdapterFiles(adapter, adapterLayout(loadSourceModel(job).layout, change.lora), run.start);
  }
  const samples = run.samples.map(({ tokens, weights }) => ({
    input_ids: [...tokens],
    labels: [...tokens].map((token, i) => (weights[i] ? token : -100)),
  }));
  const out = join(dir, 'trl.safetensors');
  const answer = (await askPython(python, 'train_trl.py', {
    kind: 'supervised',
    threads: THREADS,
    model,
    adapter: adapter ?? null,
    out,
    optimizer: job.optimizer,
    updates: STEPS,
    batchSize,
    accumulation: ACCUMULATION,
    samples,
  })) as Answer;
  return compare(name, run, answer, out);
}

async function grpo(
  python: string,
  name: string,
  dir: string,
  change: Partial<GrpoJob>,
  trl: { lossType?: string; level?: string; scaleRewards?: string },
): Promise<BenchResult[]> {
  const data = writeVerdicts(dir);
  const job = engineJobSchema.parse({
    kind: 'grpo',
    seed: 5,
    model: { from: 'directory', path: await trainedSmallModel(dir, data) },
    data,
    outputDir: join(dir, 'out'),
    threads: THREADS,
    checkpointEverySteps: 1,
    optimizer: GRPO_OPTIMIZER,
    steps: STEPS,
    promptsPerStep: 6,
    groupSize: 7,
    miniBatches: 2,
    temperature: 0.9,
    maxPromptTokens: PROMPT_TOKENS,
    maxNewTokens: COMPLETION_TOKENS,
    klCoefficient: 0.05,
    microBatchTokens: 256,
    ...change,
  }) as GrpoJob;
  const run = await trainGrpo(job);
  const out = join(dir, 'trl.safetensors');
  const answer = (await askPython(python, 'train_trl.py', {
    kind: 'grpo',
    threads: THREADS,
    model: (job.model as { path: string }).path,
    out,
    optimizer: job.optimizer,
    updates: STEPS * job.miniBatches,
    miniBatches: job.miniBatches,
    groupSize: job.groupSize,
    maxNewTokens: job.maxNewTokens,
    temperature: job.temperature,
    beta: job.klCoefficient,
    clip: job.clip,
    clipHigh: job.clipHigh ?? job.clip,
    lossType: trl.lossType ?? 'bnpo',
    level: trl.level ?? 'token',
    scaleRewards: trl.scaleRewards ?? 'group',
    rollouts: run.rollouts.map((step) =>
      step.map(({ tokens, completionTokens, oldLogprobs, reward, advantage }) => ({
        prompt: [...tokens.subarray(0, tokens.length - completionTokens)],
        completion: [...tokens.subarray(tokens.length - completionTokens)],
        logps: [...oldLogprobs.subarray(tokens.length - completionTokens)],
        reward,
        advantage,
      })),
    ),
  })) as Answer;
  // The engine records means over a step's updates.
  const means = (values: readonly number[]) =>
    run.metrics.map((_, i) => {
      const own = values.slice(i * job.miniBatches, (i + 1) * job.miniBatches);
      return own.reduce((sum, value) => sum + value, 0) / own.length;
    });
  if (change.clipHigh !== undefined && !run.metrics.some(({ clipShare }) => (clipShare ?? 0) > 0))
    throw new Error(`${name}: nothing was clipped`);
  const perStep = { ...answer, losses: means(answer.losses), norms: means(answer.norms) };
  return [
    ...compare(name, run, perStep, out),
    distanceResult(name, 'log-probabilities of the rollouts, absolute', [answer.logps!], answer.versions),
    distanceResult(
      name,
      "advantages, TRL's + 1e-4 beside the deviation taken out, absolute",
      [answer.advantages!],
      answer.versions,
    ),
  ];
}

function compare(name: string, run: OurRun, answer: Answer, file: string): BenchResult[] {
  const { metrics, layout, start, end, gradient } = run;
  const weights = readVector(file, layout, 'weights.');
  const relative = (ours: readonly number[], theirs: readonly number[]) => {
    if (ours.length !== theirs.length)
      throw new Error(`${name}: ${ours.length} steps here, ${theirs.length} there`);
    // Losses of GRPO cross zero, so a step's difference is measured by the run's mean.
    const size = theirs.reduce((sum, value) => sum + Math.abs(value), 0) / theirs.length;
    return ours.map((value, i) => Math.abs(value - theirs[i]!) / size);
  };
  const moved = difference(weights, start);
  return [
    distanceResult(
      name,
      'loss of a step, relative',
      relative(
        metrics.map(({ loss }) => loss),
        answer.losses,
      ),
      answer.versions,
    ),
    distanceResult(
      name,
      'gradient norm of a step, relative',
      relative(
        metrics.map(({ gradNorm }) => gradNorm),
        answer.norms,
      ),
      answer.versions,
    ),
    distanceResult(
      name,
      'gradient of the first update, relative',
      [distance(gradient, readVector(file, layout, 'gradient.'))],
      answer.versions,
    ),
    distanceResult(name, 'weights in the end, relative', [distance(end, weights)], answer.versions),
    distanceResult(
      name,
      'change of the weights, relative',
      [distance(difference(end, start), moved)],
      answer.versions,
    ),
  ];
}

const difference = (a: Float32Array, b: Float32Array): Float64Array =>
  Float64Array.from(a, (x, i) => x - b[i]!);

/** ‖ours − theirs‖ / ‖theirs‖ */
function distance(ours: ArrayLike<number>, theirs: ArrayLike<number>): number {
  let apart = 0;
  let size = 0;
  for (let i = 0; i < theirs.length; i += 1) {
    apart += (ours[i]! - theirs[i]!) ** 2;
    size += theirs[i]! ** 2;
  }
  return Math.sqrt(apart / size);
}
