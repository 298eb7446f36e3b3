/** What of a span leaves the process: run and stage, ids and counts, and no text that holds a secret. */
import type { AttributeValue, Attributes } from '@opentelemetry/api';
import type { ReadableSpan, SpanExporter } from '@opentelemetry/sdk-trace-base';
import { redact } from '../secrets.js';
import { RUN, STAGE } from './names.js';

/** Attributes of others that are kept; workflow spans would bring memo, search attributes and more. */
const KEPT =
  /^(rmr1\..*|exception\.(type|message)|run_id|temporal(ActivityId|UpdateId|WorkflowId)|workflowType|taskQueue)$/;
/** Spans that every look at a run's page, and every figure of a trainer, would begin a trace of its own with. */
const NOISE = /^(HandleQuery|HandleSignal|ValidateUpdate|QueryWorkflow|DescribeWorkflow):/;

/** An exporter that passes on to `exporter` what {@link cleanSpan} leaves. */
export function cleaning(exporter: SpanExporter): SpanExporter {
  return {
    export: (spans, done) => {
      const kept = spans.filter(({ name, parentSpanId }) => parentSpanId || !NOISE.test(name));
      exporter.export(kept.map(cleanSpan), done);
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}

/** The same span with its run and stage, without what is not listed, redacted. */
function cleanSpan(span: ReadableSpan): ReadableSpan {
  const { status } = span;
  const events = span.events.map((event) => ({ ...event, attributes: cleanAttributes(event.attributes) }));
  const message = status.message === undefined ? {} : { message: redact(status.message) };
  return Object.create(span, {
    attributes: { value: { ...whereabouts(span.attributes), ...cleanAttributes(span.attributes) } },
    events: { value: events },
    status: { value: { ...status, ...message } },
  }) as ReadableSpan;
}

/** `{run}/{stage}/…` is how workflows of a run are named. */
function whereabouts({ temporalWorkflowId, workflowId }: Attributes): Attributes {
  const id = temporalWorkflowId ?? workflowId;
  if (typeof id !== 'string') return {};
  const [run, stage] = id.split('/');
  return { [RUN]: run!, ...(stage ? { [STAGE]: stage } : {}) };
}

function cleanAttributes(attributes: Attributes | undefined): Attributes {
  return Object.fromEntries(
    Object.entries(attributes ?? {})
      .filter(([name]) => KEPT.test(name))
      .map(([name, value]) => [name, cleanValue(value)]),
  );
}

function cleanValue(value: AttributeValue | undefined): AttributeValue | undefined {
  return typeof value === 'string' ? redact(value) : value;
}
