/** What is new in a log that Ray gives whole each time, and the events among its lines. */
import { z } from 'zod';
import type { EngineEvent, StepMetrics } from '../../engine/job.js';

/** Lines that the training job writes for its supervisor begin so. */
const EVENT_PREFIX = 'RMR1_EVENT ';
/** Of lines that are no events, the last so many characters are kept for error messages. */
const LAST_WORDS = 2000;

const stepMetrics = z.strictObject({
  step: z.int().nonnegative(),
  tokens: z.number(),
  seconds: z.number(),
  learningRate: z.number(),
  gradNorm: z.number(),
  loss: z.number(),
  reward: z.number().optional(),
  informativeGroups: z.number().optional(),
  kl: z.number().optional(),
  clipShare: z.number().optional(),
  completionTokens: z.number().optional(),
  accuracy: z.number().optional(),
  margin: z.number().optional(),
} satisfies Record<keyof StepMetrics, z.ZodType>);

const eventSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('started'),
    totalSteps: z.int(),
    resumedAt: z.int(),
    parameters: z.number(),
  }),
  z.strictObject({
    type: z.literal('progress'),
    total: z.int(),
    metrics: stepMetrics,
    tokensPerSecond: z.number(),
  }),
  z.strictObject({
    type: z.literal('stored'),
    step: z.int(),
    /** Of the upload; of these, training waited; before them, it stood still for the checkpoint to be written. */
    seconds: z.number().optional(),
    waited: z.number().optional(),
    held: z.number().optional(),
  }),
  /** The job works on something that takes long and has no steps: loading, or the end. */
  z.strictObject({ type: z.literal('alive'), doing: z.string() }),
  z.strictObject({
    type: z.literal('failed'),
    error: z.strictObject({ type: z.string(), message: z.string() }),
  }),
]);
/** What a training job on Ray says: the engine's events, and `stored` where it stored a checkpoint itself. */
export type JobEvent = z.infer<typeof eventSchema>;

/** The event as the embedded engine would have sent it; undefined for those it does not know. */
export function asEngineEvent(event: JobEvent): EngineEvent | undefined {
  if (event.type === 'stored' || event.type === 'alive') return undefined;
  if (event.type !== 'progress') return event;
  const metrics = Object.fromEntries(
    Object.entries(event.metrics).filter(([, value]) => value !== undefined),
  );
  return { ...event, metrics: metrics as never };
}

/** Follows one job's log. */
export class LogTail {
  private offset = 0;
  private partial = '';
  private said = '';

  /** Events in what was added to the log since the last call. A log that was cut off begins anew. */
  take(log: string): JobEvent[] {
    if (log.length < this.offset) {
      this.offset = 0;
      this.partial = '';
    }
    const added = this.partial + log.slice(this.offset);
    this.offset = log.length;
    const lines = added.split('\n');
    this.partial = lines.pop()!;
    return lines.flatMap((line) => {
      const at = line.indexOf(EVENT_PREFIX);
      const event = at < 0 ? undefined : parseEvent(line.slice(at + EVENT_PREFIX.length));
      if (event) return [event];
      if (line.trim()) this.said = `${this.said}${line}\n`.slice(-LAST_WORDS);
      return [];
    });
  }

  /** The end of what the job printed besides events. */
  get lastWords(): string {
    return this.said;
  }
}

/** Another program may print anything, so what is no event is only a line. */
function parseEvent(text: string): JobEvent | undefined {
  try {
    const parsed = eventSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}
