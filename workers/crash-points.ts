/** A named moment before and after every activity, for tests that break something exactly there. */
import { activityInfo } from '@temporalio/activity';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { crashPoint } from '../engine/crash-point.js';

export class CrashPoints implements ActivityInboundCallsInterceptor {
  async execute(
    input: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    const { activityType } = activityInfo();
    await crashPoint(`activity.${activityType}.start`);
    const result = await next(input);
    await crashPoint(`activity.${activityType}.return`);
    return result;
  }
}
