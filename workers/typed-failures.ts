/** Errors keep their stable type on the way to the server: the SDK alone would send the name of their class. */
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { redactError } from '../infra/secrets.js';
import { policyOf, ERROR_TYPES } from '../workflows/errors.js';
import { logger } from './logger.js';

/** Turns an error whose `type` is in the table into the failure that workflows and people see. */
export class TypedFailures implements ActivityInboundCallsInterceptor {
  async execute(
    input: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    try {
      return await next(input);
    } catch (error) {
      const failure = typedFailure(redactError(error));
      if (failure !== error) logger.warn({ err: error, ...whereabouts() }, 'activity failed');
      throw failure;
    }
  }
}

/** What finds the activity again: the run (with its stage, where that has a workflow of its own) and the attempt. */
function whereabouts() {
  const { workflowExecution, activityType, attempt } = Context.current().info;
  return { run: workflowExecution?.workflowId, activity: activityType, attempt };
}

/** The failure for `error`; an error without a known type is returned as it is. */
function typedFailure(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof ApplicationFailure) return error;
  const { type } = error as { type?: unknown };
  if (typeof type !== 'string' || !Object.hasOwn(ERROR_TYPES, type)) return error;
  const failure = ApplicationFailure.create({
    message: error.message,
    type,
    nonRetryable: !policyOf(type).retry,
  });
  // The server keeps 4 kB of a failure that is retried: the sentence for people fits, stacks and causes do not.
  failure.stack = '';
  return failure;
}
