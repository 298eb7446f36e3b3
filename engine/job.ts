/**
 * What the embedded engine is asked to do, and what it says while doing it.
 *
 * The engine runs in a child process (`dist/engine/main.js JOB.json`), because `session.run` blocks the thread
 * that calls it. It talks to its supervisor over Node IPC: `EngineEvent`s out, `EngineCommand`s in. It reads and
 * writes local directories only; the supervising activity moves them to and from S3.
 */
import { z } from 'zod';
import type { TrainerSpan } from './trace/trainer-span.js';

/** How rotary frequencies are changed for contexts longer than those of pre-training; see `engine/model/rotary.ts`. */
export const ropeScalingSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('linear'), factor: z.number().positive() }),
  z.strictObject({
    type: z.literal('llama3'),
    factor: z.number().positive(),
    lowFrequencyFactor: z.number().positive(),
    highFrequencyFactor: z.number().positive(),
    originalMaxLength: z.int().positive(),
  }),
]);
export type RopeScaling = z.infer<typeof ropeScalingSchema>;

/** Llama-family decoder shape; the names are those of Hugging Face's `config.json`. */
export const architectureSchema = z.strictObject({
  hiddenSize: z.int().positive(),
  layers: z.int().positive(),
  heads: z.int().positive(),
  kvHeads: z.int().positive(),
  intermediateSize: z.int().positive(),
  maxLength: z.int().positive().describe('longest sequence in tokens, prompt and completion together'),
  ropeTheta: z.number().positive().default(10_000),
  normEpsilon: z.number().positive().default(1e-5),
  tieEmbeddings: z.boolean().default(true),
  headDim: z.int().positive().optional().describe('default: hiddenSize / heads'),
  attentionBias: z
    .enum(['qkv', 'qkvo'])
    .optional()
    .describe('which attention projections have a bias: qkv as Qwen2, qkvo as Llama; default: none'),
  ropeScaling: ropeScalingSchema.optional(),
});
/**
 * Llama-family decoder shape, parsed.
 * @interface
 */
export type Architecture = z.infer<typeof architectureSchema>;

/** AdamW with global-norm clipping (RM-R1, appendix: betas 0.9/0.999, weight decay 0.01, clip 1.0). */
export const optimizerSchema = z.strictObject({
  learningRate: z.number().positive(),
  schedule: z
    .enum(['constant', 'linear', 'cosine', 'flat-linear'])
    .default('constant')
    .describe('after warm-up; flat-linear holds the rate for `flatShare` of the steps, then decays linearly'),
  warmupSteps: z.int().nonnegative().default(0),
  flatShare: z.number().min(0).max(1).default(0.6),
  finalShare: z.number().min(0).max(1).default(0).describe('final rate as a share of the peak'),
  beta1: z.number().default(0.9),
  beta2: z.number().default(0.999),
  epsilon: z.number().default(1e-8),
  weightDecay: z.number().min(0).default(0.01),
  gradClip: z.number().positive().default(1),
});
/**
 * Settings of AdamW and of the learning rate, parsed.
 * @interface
 */
export type OptimizerSettings = z.infer<typeof optimizerSchema>;

export const LORA_TARGETS = [
  'q_proj',
  'k_proj',
  'v_proj',
  'o_proj',
  'gate_proj',
  'up_proj',
  'down_proj',
] as const;
export type LoraTarget = (typeof LORA_TARGETS)[number];

/** Low-rank adapters on a frozen model, see `engine/model/adapter.ts`. Dropout is 0. */
export const loraSchema = z.strictObject({
  rank: z.int().positive().default(16),
  alpha: z.number().positive().default(32),
  targets: z
    .array(z.enum(LORA_TARGETS))
    .min(1)
    .default([...LORA_TARGETS]),
});
/**
 * Low-rank adapters, parsed.
 * @interface
 */
export type LoraSettings = z.infer<typeof loraSchema>;

/** Where the weights come from: a directory in Hugging Face layout, or seeded initial values beside a tokenizer. */
const modelSourceSchema = z.discriminatedUnion('from', [
  z.strictObject({ from: z.literal('directory'), path: z.string() }),
  z.strictObject({ from: z.literal('init'), architecture: architectureSchema, tokenizerDir: z.string() }),
]);

const common = {
  seed: z.int().nonnegative(),
  model: modelSourceSchema,
  /** JSONL input, see `SupervisedSample`, `GrpoPrompt`, `PreferenceSample`, `GenerationPrompt`. */
  data: z.string(),
  /** Everything is written below this directory: `checkpoints/step-N/`, `model/`, `metrics.jsonl`, `outputs.jsonl`. */
  outputDir: z.string(),
  /** Threads of the math library; more than the physical cores is far slower. */
  threads: z.int().positive().default(2),
  device: z
    .enum(['cpu', 'cuda', 'auto'])
    .optional()
    .describe('default: cpu; auto takes CUDA where its libraries load'),
};
const training = {
  ...common,
  /** A complete checkpoint directory written by the same job; training goes on after its step, bit-exactly. */
  resumeFrom: z.string().optional(),
  checkpointEverySteps: z.int().positive(),
  optimizer: optimizerSchema,
  lora: loraSchema.optional().describe('train adapters instead of the whole model'),
  recompute: z
    .boolean()
    .optional()
    .describe(
      'compute every layer twice instead of keeping its activations: less memory, about a quarter slower',
    ),
  microBatchTokens: z
    .int()
    .min(128)
    .optional()
    .describe('tokens, padding included, that go through a graph at once; default: by the size of the model'),
  updatesPerRun: z
    .int()
    .positive()
    .optional()
    .describe(
      'updates that stay on the device together (grpo: those of a step); default: 8 with CUDA, on the CPU each on its own',
    ),
};

/** Forms of the objective, see `engine/loss/grpo.ts` and `engine/loss/advantages.ts`; absent fields are plain GRPO. */
const grpoVariants = {
  objective: z
    .enum(['grpo', 'dapo', 'dr-grpo', 'gspo'])
    .optional()
    .describe(
      'dapo: only groups that disagree, drawn until the step is full; dr-grpo; gspo: ratios of whole answers',
    ),
  clipHigh: z.number().positive().optional().describe('upper clip; default: 0.28 for dapo, else as clip'),
  maxDraws: z.int().min(1).optional().describe('dapo: rounds of rollouts a step may take; default 3'),
  topP: z
    .number()
    .gt(0)
    .max(1)
    .optional()
    .describe('draw from the likeliest tokens of this total probability'),
};

export const supervisedJobSchema = z.strictObject({
  kind: z.literal('supervised'),
  ...training,
  /** Optimiser steps are epochs × ⌈samples / batchSize⌉. */
  epochs: z.number().positive(),
  batchSize: z.int().positive().describe('samples an optimiser step'),
  maxLength: z
    .int()
    .positive()
    .describe('longest prompt + completion in tokens; longer samples are an error'),
  promptLossWeight: z.number().min(0).default(0).describe('0: loss on completion tokens only (RM-R1 SFT)'),
});
export const grpoJobSchema = z.strictObject({
  kind: z.literal('grpo'),
  ...training,
  steps: z.int().positive(),
  promptsPerStep: z.int().positive(),
  groupSize: z.int().min(2).default(7),
  miniBatches: z.int().positive().default(1).describe('optimiser updates per rollout batch'),
  temperature: z.number().positive().default(1),
  maxPromptTokens: z.int().positive(),
  maxNewTokens: z.int().positive(),
  clip: z.number().positive().default(0.2),
  klCoefficient: z.number().min(0).default(0.001),
  ...grpoVariants,
});
export const rewardJobSchema = z.strictObject({
  kind: z.literal('reward'),
  ...training,
  /** Optimiser steps are epochs × ⌈pairs / batchSize⌉. */
  epochs: z.number().positive(),
  batchSize: z.int().positive().describe('pairs an optimiser step'),
  maxLength: z.int().positive().describe('longest prompt + answer in tokens; longer ones are an error'),
});
export const generateJobSchema = z.strictObject({
  kind: z.literal('generate'),
  ...common,
  /** 0 is greedy decoding. */
  temperature: z.number().min(0).default(0),
  samples: z.int().positive().default(1),
  topP: z.number().gt(0).max(1).optional(),
  batchSize: z.int().positive().default(64),
  maxPromptTokens: z.int().positive(),
  maxNewTokens: z.int().positive(),
});
export const engineJobSchema = z.discriminatedUnion('kind', [
  supervisedJobSchema,
  grpoJobSchema,
  rewardJobSchema,
  generateJobSchema,
]);
/**
 * SFT on prompts and completions.
 * @interface
 */
export type SupervisedJob = z.infer<typeof supervisedJobSchema>;
/**
 * Reinforcement with the ±1 reward of the verdict.
 * @interface
 */
export type GrpoJob = z.infer<typeof grpoJobSchema>;
/**
 * A scalar reward model on pairs (Bradley–Terry).
 * @interface
 */
export type RewardJob = z.infer<typeof rewardJobSchema>;
/** Jobs that change weights step by step. */
export type TrainingJob = SupervisedJob | GrpoJob | RewardJob;
/**
 * Completions of prompts.
 * @interface
 */
export type GenerateJob = z.infer<typeof generateJobSchema>;
export type EngineJob = z.infer<typeof engineJobSchema>;

/** One line of a supervised data file. Text is already rendered by the chat template; the engine appends end-of-text. */
export interface SupervisedSample {
  id: string;
  prompt: string;
  completion: string;
}
/** One line of a GRPO prompt file; the reward compares the rollout's verdict with `gold`. */
export interface GrpoPrompt {
  id: string;
  prompt: string;
  gold: 'A' | 'B';
}
/** One line of a preference file: two answers to a prompt that the chat template has rendered. */
export interface PreferenceSample {
  id: string;
  prompt: string;
  chosen: string;
  rejected: string;
}
/** One line of a generation input file. */
export interface GenerationPrompt {
  id: string;
  prompt: string;
}
/** One line of `outputs.jsonl`, in input order. `finished` is false where `maxNewTokens` cut the text. */
export interface GenerationOutput {
  id: string;
  sample: number;
  text: string;
  promptTokens: number;
  tokens: number;
  finished: boolean;
}

/** One line of `metrics.jsonl` per step. All numbers are those of the step itself. */
export interface StepMetrics {
  step: number;
  /** Tokens that went through the training graph (supervised) or were generated (GRPO) in this step. */
  tokens: number;
  seconds: number;
  learningRate: number;
  gradNorm: number;
  loss: number;
  /** GRPO: mean ±1 reward, share of groups with non-zero variance, mean k3 KL, share of clipped tokens, mean length. */
  reward?: number;
  informativeGroups?: number;
  kl?: number;
  clipShare?: number;
  completionTokens?: number;
  /** Reward head: share of pairs whose preferred answer scored higher, and mean difference of the scores. */
  accuracy?: number;
  margin?: number;
}

/** Engine → supervisor. */
export type EngineEvent =
  | { type: 'started'; totalSteps: number; resumedAt: number; parameters: number }
  | { type: 'progress'; total: number; metrics: StepMetrics; tokensPerSecond: number }
  | { type: 'generated'; done: number; total: number; tokensPerSecond: number }
  /** `dir` is complete (written aside, then renamed); the supervisor deletes it once it is stored. */
  | { type: 'checkpoint'; step: number; dir: string }
  /** `dir` holds the model in Hugging Face layout (training) or `outputs.jsonl` (generate). */
  | { type: 'done'; step: number; dir: string }
  /** A finished part of the work, for whoever traces the run. */
  | { type: 'span'; span: TrainerSpan }
  | { type: 'failed'; error: { type: string; message: string } };

/**
 * Supervisor → engine. `stop`: save a last checkpoint and exit with `EXIT.preempted`. `alive`: the supervisor still
 * lives; an engine started with `SUPERVISOR_SILENCE` ends itself where neither was heard for so long.
 */
export type EngineCommand = { type: 'stop' } | { type: 'alive' };

/** Environment variable: ms without a word of the supervisor after which the engine ends itself. */
export const SUPERVISOR_SILENCE = 'RMR1_SUPERVISOR_SILENCE_MS';

/** How an engine process ends; the one table that supervisors and docs use. */
export const EXIT = {
  /** Ran to its end; the `done` event came before. */
  done: 0,
  /** The job description cannot work (bad setting). Never retried. */
  badJob: 64,
  /** The data cannot work (bad line, over-long sample, corrupt model file). Never retried. */
  badData: 65,
  /** Anything unexpected. Retried. */
  failed: 70,
  /** Stopped on request after a last checkpoint. Resumed. */
  preempted: 75,
} as const;
