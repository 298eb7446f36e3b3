/** Spans of a trainer: it is told which trace it belongs to, and what it made is sent by its supervisor. */
import { context, propagation, SpanKind, SpanStatusCode, trace, type Attributes } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import type { TrainerSpan } from '../../engine/trace/trainer-span.js';
import { ATTEMPT, RUN, STAGE } from './names.js';
import { currentTracing } from './start.js';

/** The W3C trace context of what runs now; undefined where nothing is traced. */
export function traceparent(): string | undefined {
  const carrier: { traceparent?: string } = {};
  propagation.inject(context.active(), carrier);
  return carrier.traceparent;
}

/** Say of the activity that runs now which run, stage and attempt it works for. */
export function describeActivity(about: { run?: string; stage?: string; attempt?: number }): void {
  trace.getActiveSpan()?.setAttributes({
    ...(about.run === undefined ? {} : { [RUN]: about.run }),
    ...(about.stage === undefined ? {} : { [STAGE]: about.stage }),
    ...(about.attempt === undefined ? {} : { [ATTEMPT]: about.attempt }),
  });
}

/** Sends spans on as parts of the activity that runs now, whose run, stage and attempt they take over. */
export function trainerSpans(): (span: TrainerSpan) => void {
  const activity = trace.getActiveSpan() as Partial<ReadableSpan> | undefined;
  return (span) => {
    // Read late: the activity may have said which stage it is since.
    const about = Object.fromEntries(
      [RUN, STAGE, ATTEMPT].flatMap((name) => {
        const value = activity?.attributes?.[name];
        return value === undefined ? [] : [[name, value]];
      }),
    );
    void currentTracing().then((tracing) =>
      tracing?.processor.onEnd(readable(span, about, tracing.resourceOf('rmr1-trainer'))),
    );
  };
}

function readable(span: TrainerSpan, about: Attributes, resource: ReadableSpan['resource']): ReadableSpan {
  const { traceId, spanId, traceFlags, start, end, error } = span;
  return {
    name: span.name,
    kind: SpanKind.INTERNAL,
    spanContext: () => ({ traceId, spanId, traceFlags }),
    parentSpanId: span.parentSpanId,
    startTime: start,
    endTime: end,
    duration: [end[0] - start[0], end[1] - start[1]],
    status:
      error === undefined ? { code: SpanStatusCode.OK } : { code: SpanStatusCode.ERROR, message: error },
    attributes: { ...about, ...span.attributes },
    links: [],
    events: [],
    ended: true,
    resource,
    instrumentationLibrary: { name: 'rmr1-trainer' },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}
