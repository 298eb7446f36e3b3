/**
 * Spans of a trainer within the trace of the activity that started it. They go to the supervisor, which sends them on:
 * the trainer itself needs neither a network nor the keys of a collector.
 */
import type { Context, Span } from '@opentelemetry/api';
import type { ReadableSpan, Tracer } from '@opentelemetry/sdk-trace-base';
import type { TrainerSpan } from './trainer-span.js';
import { TRACEPARENT } from './trainer-span.js';

/** What a span says about its part of the work. */
export type Figures = Record<string, string | number | boolean>;

/** The trace of one trainer, a part of the trace of the run that started it. */
export class TrainerTrace {
  private readonly open = new Set<Span>();

  private constructor(
    private readonly tracer: Tracer,
    private readonly root: Span,
    private readonly within: Context,
    private readonly failed: (span: Span, error: unknown) => void,
  ) {}

  /** A span `name` until {@link end}; undefined, and nothing loaded, where the environment brings no trace along. */
  static async begin(
    name: string,
    send: (span: TrainerSpan) => void,
    env: NodeJS.ProcessEnv = process.env,
  ): Promise<TrainerTrace | undefined> {
    const traceparent = env[TRACEPARENT];
    if (!traceparent) return undefined;
    const { ROOT_CONTEXT, SpanStatusCode, trace } = await import('@opentelemetry/api');
    const { ExportResultCode, parseTraceParent } = await import('@opentelemetry/core');
    const { BasicTracerProvider, SimpleSpanProcessor } = await import('@opentelemetry/sdk-trace-base');
    const parent = parseTraceParent(traceparent);
    if (!parent) return undefined;
    const processor = new SimpleSpanProcessor({
      export: (spans, done) => {
        for (const span of spans) send(plain(span));
        done({ code: ExportResultCode.SUCCESS });
      },
      shutdown: () => Promise.resolve(),
    });
    const tracer = new BasicTracerProvider({ spanProcessors: [processor] }).getTracer('rmr1-trainer');
    const root = tracer.startSpan(
      name,
      {},
      trace.setSpanContext(ROOT_CONTEXT, { ...parent, isRemote: true }),
    );
    return new TrainerTrace(tracer, root, trace.setSpan(ROOT_CONTEXT, root), (span, error) =>
      span.setStatus({
        code: SpanStatusCode.ERROR,
        message: error instanceof Error ? error.message : String(error),
      }),
    );
  }

  /** Begin a span. @returns what ends it, with figures that are known by then. */
  span(name: string, figures: Figures = {}): (more?: Figures) => void {
    const span = this.tracer.startSpan(name, { attributes: figures }, this.within);
    this.open.add(span);
    return (more = {}) => {
      if (!this.open.delete(span)) return;
      span.setAttributes(more).end();
    };
  }

  /** End everything that is under way, failed where there is an error. */
  end(error?: unknown): void {
    for (const span of [...this.open, this.root]) {
      if (error !== undefined) this.failed(span, error);
      span.end();
    }
    this.open.clear();
  }
}

function plain(span: ReadableSpan): TrainerSpan {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return {
    ...{ traceId, spanId, traceFlags, parentSpanId: span.parentSpanId ?? '', name: span.name },
    start: span.startTime,
    end: span.endTime,
    attributes: span.attributes as Figures,
    ...(span.status.message === undefined ? {} : { error: span.status.message }),
  };
}
