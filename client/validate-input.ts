/** Check a run's input before anything is started, uploaded or spent. */
import { describeIssues } from '../recipes/describe-issues.js';
import {
  trainRewardModelInputSchema,
  type ResolvedRunInput,
  type TrainRewardModelInput,
} from '../workflows/inputs.js';
import { ClientError } from './errors.js';

/** @throws ClientError `InvalidInput` that names every wrong field at once. */
export function validateInput(input: TrainRewardModelInput): ResolvedRunInput {
  const parsed = trainRewardModelInputSchema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new ClientError('InvalidInput', `The input is not valid: ${describeIssues(parsed.error)}`);
}
