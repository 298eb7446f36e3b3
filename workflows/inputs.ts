/** Input and output of the workflows. One JSON object each, every field defaulted, unknown fields refused. */
import { z } from 'zod';
import { artifactRefSchema } from '../activities/artifacts/ref.js';
import { ORACLE_PROVIDERS, recipeSchema } from '../recipes/schema.js';

/** Stages of the pipeline in order; `gates` and `startFrom` name them. */
export const STAGES = ['dataset', 'base', 'distill', 'sft', 'grpo', 'evaluate', 'report'] as const;
export type PipelineStage = (typeof STAGES)[number];
/** `reward` stands beside the pipeline: a scalar reward model on the same base. */
export type StageName = PipelineStage | 'reward';

const jsonValue: z.ZodType<unknown> = z.unknown();

export const trainRewardModelInputSchema = z.strictObject({
  recipe: z.string().min(1).default('quickstart').describe('name of a file in recipes/'),
  data: z
    .union([z.string().min(1), artifactRefSchema])
    .optional()
    .describe(
      'JSONL of preference pairs: an artefact uploaded by the client, or a path every worker can read',
    ),
  seed: z.int().nonnegative().optional().describe("default: the recipe's"),
  oracle: z
    .strictObject({
      provider: z.enum(ORACLE_PROVIDERS).optional(),
      baseUrl: z.url().optional(),
      model: z.string().optional(),
    })
    .default({}),
  budget: z
    .strictObject({
      usd: z.number().positive('a budget of zero cannot pay for anything; give a positive amount of USD'),
    })
    .optional()
    .describe('hard cap on oracle spending'),
  gates: z.array(z.enum(STAGES)).default([]).describe('stages after which the run waits for approval'),
  overrides: z
    .record(z.string(), jsonValue)
    .default({})
    .describe('recipe fields by dotted path: {"grpo.steps": 20}'),
  startedBy: z.string().max(200).default('unknown'),
  startFrom: z
    .strictObject({ run: z.string().min(1), stage: z.enum(STAGES) })
    .optional()
    .describe('take every stage before this one from an earlier run, as it is'),
  model: artifactRefSchema
    .optional()
    .describe('a model to go on from in place of the warm-up, such as the champion'),
});
/**
 * Input of `trainRewardModel`; `{}` is valid.
 * @interface
 */
export type TrainRewardModelInput = z.input<typeof trainRewardModelInputSchema>;
export type ResolvedRunInput = z.infer<typeof trainRewardModelInputSchema>;

/** What a parent hands to a stage it starts: the resolved plan and who listens. */
const supervisionSchema = z.strictObject({
  runId: z.string(),
  recipe: recipeSchema,
  recipeRef: artifactRefSchema,
  heartbeatSeconds: z.number().positive(),
  seed: z.int().nonnegative(),
  notify: z.array(z.string()),
  /** Ask oracles nothing more: go on with the answers that are stored. */
  onlyStored: z.boolean().optional(),
});

/**
 * Input of `distill`, `sft`, `grpo` and `evaluate`: the same fields as the whole pipeline, and the artefacts the stage
 * starts from. What is not given is made first, or found, by the stages before it; so `{}` is valid here too.
 */
export const stageInputSchema = trainRewardModelInputSchema.omit({ gates: true }).extend({
  artifacts: z.record(z.string(), artifactRefSchema).default({}),
  supervision: supervisionSchema.optional(),
});
export type StageInput = z.input<typeof stageInputSchema>;
export type ResolvedStageInput = z.infer<typeof stageInputSchema>;
