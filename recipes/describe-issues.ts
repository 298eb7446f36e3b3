import type { z } from 'zod';

/** All problems of a failed parse as one sentence: `grpo.steps: expected number; sfd: unknown field`. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .map((issue) => {
      const path = issue.path.join('.');
      const message =
        issue.code === 'unrecognized_keys'
          ? `unknown field ${issue.keys.map((key) => `'${key}'`).join(', ')}`
          : issue.message;
      return path ? `${path}: ${message}` : message;
    })
    .join('; ');
}
