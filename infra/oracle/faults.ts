/** Faults that can be switched on: what real APIs do on a bad day, reproducibly. */
import { createHash } from 'node:crypto';
import { z } from 'zod';

/** What happens to a request on its way. `lost-reply`: it is carried out, but its answer never arrives. */
const TRANSPORT = ['rate-limit', 'server-error', 'hang', 'cut', 'malformed', 'lost-reply'] as const;
/** What an answer is like, asked one by one or in a batch. */
const ANSWER = ['refusal', 'empty', 'truncated', 'misplaced', 'foreign', 'huge', 'line-error'] as const;
/** What becomes of a batch: half of it in time; refused by validation because the queue is full. */
const BATCH = ['batch-expire', 'batch-fail'] as const;

export const FAULT_KINDS = [...TRANSPORT, ...ANSWER, ...BATCH, 'outage'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];
export type AnswerFault = (typeof ANSWER)[number];

export const faultSchema = z
  .strictObject({
    kind: z.enum(FAULT_KINDS),
    /** Share of requests, answers or batches that it strikes, drawn by `seed` and their number. */
    rate: z.number().min(0).max(1).optional(),
    seed: z.int().default(0),
    /** Strike the next so many, then never again. */
    next: z.int().positive().optional(),
    /** Only requests that begin so, for example `POST /v1/batches`; default: questions asked one by one. */
    route: z.string().optional(),
    /** For `outage`: every request fails while the service's clock (ms since the epoch) stands in this span. */
    from: z.number().optional(),
    until: z.number().optional(),
    /** For `rate-limit`: what the response's retry-after says. */
    retryAfterSeconds: z.number().nonnegative().default(1),
  })
  .refine(
    ({ kind, rate, next, from, until }) =>
      kind === 'outage'
        ? from !== undefined && until !== undefined
        : (rate === undefined) !== (next === undefined),
    'give either rate or next; an outage needs from and until',
  );
export type Fault = z.infer<typeof faultSchema>;

/** What a fault can strike: a request by its route, an answer, a batch. */
export type Occasion = { request: string } | 'answer' | 'batch';

const QUESTIONS = ['POST /v1/chat/completions', 'POST /v1/messages'];

function strikesAt(fault: Fault, occasion: Occasion): boolean {
  const kinds: readonly string[] = occasion === 'answer' ? ANSWER : occasion === 'batch' ? BATCH : TRANSPORT;
  if (!kinds.includes(fault.kind)) return false;
  if (typeof occasion === 'string') return true;
  const { request } = occasion;
  return fault.route === undefined ? QUESTIONS.includes(request) : request.startsWith(fault.route);
}

/** The faults in force. The first one that strikes wins. */
export class FaultPlan {
  #faults: { fault: Fault; left: number; seen: number }[] = [];

  add(fault: Fault): void {
    this.#faults.push({ fault, left: fault.next ?? Infinity, seen: 0 });
  }

  clear(): void {
    this.#faults = [];
  }

  list(): Fault[] {
    return this.#faults.map(({ fault, left }) => (Number.isFinite(left) ? { ...fault, next: left } : fault));
  }

  /** The fault that strikes on this occasion, if any. */
  strike(occasion: Occasion): Fault | undefined {
    let struck: Fault | undefined;
    for (const entry of this.#faults) {
      const { fault } = entry;
      if (!strikesAt(fault, occasion)) continue;
      entry.seen += 1;
      if (struck || (fault.rate !== undefined ? draw(fault, entry.seen) >= fault.rate : entry.left <= 0))
        continue;
      entry.left -= 1;
      struck = fault;
    }
    this.#faults = this.#faults.filter(({ left }) => left > 0);
    return struck;
  }

  /** Whether the service is away at `now`. */
  isDown(now: number): boolean {
    return this.#faults.some(
      ({ fault: { kind, from = 0, until = 0 } }) => kind === 'outage' && now >= from && now < until,
    );
  }
}

function draw({ kind, seed }: Fault, number: number): number {
  const digest = createHash('sha256')
    .update(`${kind}/${String(seed)}/${String(number)}`)
    .digest();
  return digest.readUInt32BE(0) / 0x1_0000_0000;
}

/** `rate-limit:0.1` → ten percent of requests. @throws Error that names the form. */
export function parseFaultFlag(flag: string, seed: number): Fault {
  const [kind, rate] = flag.split(':');
  const parsed = faultSchema.safeParse({ kind, rate: Number(rate ?? Number.NaN), seed });
  if (!parsed.success) {
    throw new Error(
      `--fault ${flag}: write KIND:RATE with a kind of ${FAULT_KINDS.filter((name) => name !== 'outage').join(', ')} and a rate from 0 to 1.`,
    );
  }
  return parsed.data;
}
