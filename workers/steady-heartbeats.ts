/** Heartbeats for activities that have nothing to tell but may take long: the server then knows that their worker lives. */
import { Context } from '@temporalio/activity';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';

/** Well below the heartbeat timeout of the short I/O activities (`workflows/activities.ts`). */
const BEAT_EVERY_MS = 10_000;

export class SteadyHeartbeats implements ActivityInboundCallsInterceptor {
  async execute(
    input: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    const context = Context.current();
    const timer = setInterval(() => context.heartbeat(), BEAT_EVERY_MS);
    try {
      return await next(input);
    } finally {
      clearInterval(timer);
    }
  }
}
