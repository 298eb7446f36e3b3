/** Input, result and messages of `retrain`; a client imports them without workflow code. */
import { defineQuery } from '@temporalio/workflow';
import { z } from 'zod';
import type { JudgeComparison } from '../activities/registry/judge-comparison.js';
import { trainRewardModelInputSchema } from './inputs.js';
import { watchedHubSchema } from './watched-hub.js';

/** A prefix of the artefact bucket: no way out of it, and not among the store's own objects. */
const prefix = z
  .string()
  .regex(/^[\w-][\w./-]*$/, 'use a prefix of the bucket, such as datasets/helpful/')
  .refine((value) => !value.split('/').includes('..'), "'..' is not allowed")
  .refine(
    (value) => !/^(objects|manifests|producers|checkpoints|leases|registry|oracle-)/.test(value),
    'this prefix belongs to the artefact store; put data below another one, such as datasets/',
  );

export const retrainInputSchema = trainRewardModelInputSchema
  .omit({ data: true, startFrom: true, model: true, gates: true })
  .extend({
    watch: z
      .union([prefix, watchedHubSchema])
      .optional()
      .describe(
        'prefix of the bucket with JSONL files, or {"hub": "owner/name"}; absent: retrain whenever called',
      ),
    minNewPairs: z.int().positive().default(100).describe('fewer new pairs than this: the champion stays'),
    alias: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,62}$/)
      .default('champion'),
    from: z.enum(['base', 'champion']).default('base').describe('what the student starts from'),
    promote: z
      .enum(['significant', 'ask', 'never'])
      .default('significant')
      .describe(
        'significant: by itself where the candidate is better; ask: wait for approve or reject unless it is; never',
      ),
    significance: z.number().gt(0).lt(1).default(0.05),
  });
export type RetrainInput = z.input<typeof retrainInputSchema>;
export type ResolvedRetrainInput = z.infer<typeof retrainInputSchema>;

export type RetrainState =
  'looking' | 'training' | 'comparing' | 'awaiting-approval' | 'promoted' | 'kept' | 'failed';

/** Answer of the `retrain` query, and the workflow's result. */
export interface RetrainReport {
  workflowId: string;
  alias: string;
  state: RetrainState;
  /** One sentence: why the champion was replaced, or why it stays. */
  reason: string;
  newPairs?: number;
  trainingRun?: string;
  comparison?: JudgeComparison;
  /** Version of the alias after this run. */
  version?: number;
}

export const retrainQuery = defineQuery<RetrainReport>('retrain');
