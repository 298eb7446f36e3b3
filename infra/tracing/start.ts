/** OpenTelemetry traces of this process, where the environment names a collector; else nothing is even loaded. */
import type { WorkflowClientInterceptor } from '@temporalio/client';
import type { SpanProcessor } from '@opentelemetry/sdk-trace-base';
import type { Resource } from '@opentelemetry/resources';
import { tracesWanted } from './settings.js';

export interface Tracing {
  /** Where spans that were made elsewhere are handed in. */
  processor: SpanProcessor;
  /** Who made the spans of `service`: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win. */
  resourceOf(service: string): Resource;
  /** For clients: a span of every start, update, signal and cancellation, whose trace the workflow goes on with. */
  clientInterceptors: WorkflowClientInterceptor[];
  /** Send what is left, for at most `ms`. Spans that no collector takes are lost, and nothing else. */
  flush(ms: number): Promise<void>;
}

let current: Promise<Tracing | undefined> | undefined;

/**
 * Traces of this process, as service `rmr1-<name>`; undefined where none are wanted. The first call decides.
 * @param undelivered is told, now and then, why spans could not be delivered.
 * @throws UserError `InvalidInput` for settings that cannot be used.
 */
export function startTracing(
  name: string,
  undelivered: (why: string) => void = () => undefined,
): Promise<Tracing | undefined> {
  return (current ??= tracesWanted() ? load(name, undelivered) : Promise.resolve(undefined));
}

/** What {@link startTracing} gave, for those who only hand spans in. */
export function currentTracing(): Promise<Tracing | undefined> {
  return current ?? Promise.resolve(undefined);
}

async function load(name: string, undelivered: (why: string) => void): Promise<Tracing> {
  const { diag, DiagLogLevel } = await import('@opentelemetry/api');
  const { AsyncLocalStorageContextManager } = await import('@opentelemetry/context-async-hooks');
  const { W3CTraceContextPropagator } = await import('@opentelemetry/core');
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
  const { Resource, envDetectorSync } = await import('@opentelemetry/resources');
  const { BasicTracerProvider, BatchSpanProcessor } = await import('@opentelemetry/sdk-trace-base');
  const { OpenTelemetryWorkflowClientInterceptor } = await import('@temporalio/interceptors-opentelemetry');
  const { cleaning } = await import('./clean-spans.js');

  const silent = () => undefined;
  diag.setLogger(
    { error: undelivered, warn: silent, info: silent, debug: silent, verbose: silent },
    DiagLogLevel.ERROR,
  );
  const resourceOf = (service: string) =>
    new Resource({ 'service.name': service }).merge(envDetectorSync.detect());
  const processor = new BatchSpanProcessor(cleaning(new OTLPTraceExporter()));
  const provider = new BasicTracerProvider({
    resource: resourceOf(`rmr1-${name}`),
    spanProcessors: [processor],
  });
  provider.register({
    contextManager: new AsyncLocalStorageContextManager().enable(),
    propagator: new W3CTraceContextPropagator(),
  });
  return {
    processor,
    resourceOf,
    clientInterceptors: [steeringOnly(new OpenTelemetryWorkflowClientInterceptor())],
    flush: async (ms) => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise((resolve) => (timer = setTimeout(resolve, ms)));
      await Promise.race([processor.forceFlush().catch(() => undefined), late]);
      clearTimeout(timer);
    },
  };
}

/** Without queries and descriptions, which a command that watches a run sends every second. */
function steeringOnly(all: Required<Pick<WorkflowClientInterceptor, Steering>>): WorkflowClientInterceptor {
  return {
    startWithDetails: all.startWithDetails.bind(all),
    startUpdate: all.startUpdate.bind(all),
    signal: all.signal.bind(all),
    cancel: all.cancel.bind(all),
    terminate: all.terminate.bind(all),
  };
}
type Steering = 'startWithDetails' | 'startUpdate' | 'signal' | 'cancel' | 'terminate';
