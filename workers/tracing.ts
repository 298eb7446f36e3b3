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

/** Where the spans of workflows go on a worker that does not trace: a run may have been begun with traces elsewhere. */
export const NO_TRACES: InjectedSinks<OpenTelemetrySinks> = { exporter: { export: { fn: () => undefined } } };

export interface WorkerTracing {
  /** Outermost first: errors come to them redacted. */
  activity: ActivityInterceptorsFactory[];
  /** Bring the spans of workflows out of their sandbox. */
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
