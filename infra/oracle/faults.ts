/** Faults that can be switched on: what real APIs do on a bad day, reproducibly. */
import { createHash } from 'node:crypto';
import { z } from 'zod';

export const FAULT_KINDS = ['rate-limit', 'server-error', 'hang', 'cut', 'malformed'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export const faultSchema = z
  .strictObject({
    kind: z.enum(FAULT_KINDS),
    /** Share of requests that fail, drawn by `seed` and the number of the request. */
    rate: z.number().min(0).max(1).optional(),
    seed: z.int().default(0),
    /** Fail the next so many requests, then work again. */
    next: z.int().positive().optional(),
    /** For `rate-limit`: what the response's retry-after says. */
    retryAfterSeconds: z.number().nonnegative().default(1),
  })
  .refine(({ rate, next }) => (rate === undefined) !== (next === undefined), 'give either rate or next');
export type Fault = z.infer<typeof faultSchema>;

/** The faults in force. The first one that strikes a request wins. */
export class FaultPlan {
  #faults: { fault: Fault; left: number }[] = [];
  #request = 0;

  add(fault: Fault): void {
    this.#faults.push({ fault, left: fault.next ?? Infinity });
  }

  clear(): void {
    this.#faults = [];
  }

  list(): Fault[] {
    return this.#faults.map(({ fault, left }) => (Number.isFinite(left) ? { ...fault, next: left } : fault));
  }

  /** The fault that strikes the next request, if any. */
  strike(): Fault | undefined {
    this.#request += 1;
    for (const entry of this.#faults) {
      const { fault } = entry;
      if (fault.rate !== undefined ? draw(fault, this.#request) >= fault.rate : entry.left <= 0) continue;
      entry.left -= 1;
      this.#faults = this.#faults.filter(({ left }) => left > 0);
      return fault;
    }
    return undefined;
  }
}

function draw({ kind, seed }: Fault, request: number): number {
  const digest = createHash('sha256')
    .update(`${kind}/${String(seed)}/${String(request)}`)
    .digest();
  return digest.readUInt32BE(0) / 0x1_0000_0000;
}

/** `rate-limit:0.1` → ten percent of requests. @throws Error that names the form. */
export function parseFaultFlag(flag: string, seed: number): Fault {
  const [kind, rate] = flag.split(':');
  const parsed = faultSchema.safeParse({ kind, rate: Number(rate ?? Number.NaN), seed });
  if (!parsed.success) {
    throw new Error(
      `--fault ${flag}: write KIND:RATE with a kind of ${FAULT_KINDS.join(', ')} and a rate from 0 to 1.`,
    );
  }
  return parsed.data;
}
