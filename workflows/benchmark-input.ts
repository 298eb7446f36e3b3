/** Input of `evaluate` with a benchmark instead of a run's own pairs: which items, which judge, how it is asked. */
import { z } from 'zod';
import { artifactRefSchema } from '../activities/artifacts/ref.js';
import { BENCHMARKS } from '../benchmarks/names.js';
import { judgeSettingsSchema, samplingSchema } from './judge-settings.js';

/** Items that were read and stored. */
export const preparedItemsSchema = z.strictObject({
  items: artifactRefSchema,
  count: z.int().positive(),
  /** Names of the files or the hub data set. */
  source: z.string(),
  /** Over keys, conversations and answers of all items in their order. */
  sha256: z.string(),
});
export type PreparedItems = z.infer<typeof preparedItemsSchema>;

export const benchmarkInputSchema = z
  .strictObject({
    benchmark: z.enum(BENCHMARKS),
    data: z
      .union([z.array(z.string().min(1)).min(1), preparedItemsSchema])
      .describe('files that every worker can read, or hub:owner/name'),
    judge: judgeSettingsSchema,
    sampling: samplingSchema.prefault({}),
    orders: z
      .strictObject({
        mode: z.enum(['one', 'both']).default('one'),
        seed: z.int().nonnegative().default(0),
      })
      .prefault({})
      .describe('one: each item once, the place of its better answer drawn by the seed'),
    votes: z.int().min(1).max(64).default(1).describe('samples of each question'),
    budgets: z
      .array(z.int().positive())
      .min(1)
      .max(16)
      .optional()
      .describe('completion budgets, one evaluation each; default: sampling.maxTokens alone'),
    stopAt: z
      .number()
      .gt(0)
      .lt(0.5)
      .optional()
      .describe('stop once the accuracy is known to ± this (95 %), taking judgements for independent'),
    startedBy: z.string().max(200).default('unknown'),
  })
  .refine(
    ({ votes, sampling, judge }) => votes === 1 || sampling.temperature > 0 || judge.kind === 'random',
    {
      path: ['votes'],
      message: 'several samples need sampling.temperature above 0, else they are all the same',
    },
  );
/**
 * Input of an evaluation on a published benchmark.
 * @interface
 */
export type BenchmarkInput = z.input<typeof benchmarkInputSchema>;
export type ResolvedBenchmarkInput = z.infer<typeof benchmarkInputSchema>;
