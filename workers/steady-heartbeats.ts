/** Heartbeats for activities that have nothing to tell but may take long: the server then knows that their worker lives. */
import { Context } from '@temporalio/activity';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';

/** Several within the heartbeat timeout of the activity. */
const BEATS = 6;
const DEFAULT_TIMEOUT_MS = 60_000;

export class SteadyHeartbeats implements ActivityInboundCallsInterceptor {
  async execute(
    input: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    const context = Context.current();
    const timeoutMs = context.info.heartbeatTimeoutMs ?? DEFAULT_TIMEOUT_MS;
    const timer = setInterval(() => context.heartbeat(), timeoutMs / BEATS);
    try {
      return await next(input);
    } finally {
      clearInterval(timer);
    }
  }
}
