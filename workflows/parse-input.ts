/** Check a workflow's input, again: a run started from the Temporal UI has no client that checked it. */
import { ApplicationFailure } from '@temporalio/workflow';
import type { z } from 'zod';
import { describeIssues } from '../recipes/describe-issues.js';

/** Parse `input` (absent means `{}`); every problem is named in one failure of type `InvalidInput`. */
export function parseInput<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const parsed = schema.safeParse(input ?? {});
  if (parsed.success) return parsed.data;
  throw ApplicationFailure.nonRetryable(
    `The input is not valid: ${describeIssues(parsed.error)}`,
    'InvalidInput',
  );
}
