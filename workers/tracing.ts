/** What traces workflows and activities; nothing where no collector is named. */
import { activityInfo } from '@temporalio/activity';
import type {
  ActivityExecuteInput,
  ActivityInboundCallsInterceptor,
  ActivityInterceptorsFactory,
  InjectedSinks,
  Next,
} from '@temporalio/worker';
import type { OpenTelemetrySinks } from '@temporalio/interceptors-opentelemetry/lib/workflow/definitions.js';
import type { Tracing } from '../infra/tracing/start.js';
import { describeActivity } from '../infra/tracing/trainer-spans.js';

/** What a bundle of workflows needs to be traced; `sinks` then brings their spans out of the sandbox. */
export const TRACED_WORKFLOWS = ['@temporalio/interceptors-opentelemetry/lib/workflow-interceptors'];

export interface WorkerTracing {
  /** Outermost first: errors come to them redacted. */
  activity: ActivityInterceptorsFactory[];
  sinks: InjectedSinks<OpenTelemetrySinks>;
}

export async function workerTracing(tracing: Tracing): Promise<WorkerTracing> {
  const { makeWorkflowExporter, OpenTelemetryActivityInboundInterceptor } =
    await import('@temporalio/interceptors-opentelemetry');
  return {
    activity: [
      (context) => ({ inbound: new OpenTelemetryActivityInboundInterceptor(context) }),
      () => ({ inbound: new Whereabouts() }),
    ],
    sinks: { exporter: makeWorkflowExporter(tracing.processor, tracing.resourceOf('rmr1-workflow')) },
  };
}

class Whereabouts implements ActivityInboundCallsInterceptor {
  execute(
    input: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    const { workflowExecution, attempt } = activityInfo();
    const [run, stage] = workflowExecution?.workflowId.split('/') ?? [];
    describeActivity({ attempt, ...(run ? { run } : {}), ...(stage ? { stage } : {}) });
    return next(input);
  }
}
