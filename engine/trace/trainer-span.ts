/** A finished span of a trainer, as it goes to the supervisor: plain data. */
export interface TrainerSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  /** W3C trace flags. */
  traceFlags: number;
  name: string;
  /** Unix time: seconds and nanoseconds. */
  start: [number, number];
  end: [number, number];
  attributes: Record<string, string | number | boolean>;
  /** Why it failed; absent where it did not. */
  error?: string;
}

/** Environment variable with the W3C trace context of whoever started the process. */
export const TRACEPARENT = 'TRACEPARENT';
