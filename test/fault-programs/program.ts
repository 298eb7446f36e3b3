/** A fault program as data: what goes wrong at which event of the pipeline. */
import fc from 'fast-check';

export type Fault =
  /** The worker dies, before or after what it was about to do takes effect. */
  | { kind: 'kill-worker'; when: 'before' | 'after' }
  /** The trainer dies; without a trainer, nothing happens. */
  | { kind: 'kill-trainer' }
  /**
   * The worker stands still there until a later attempt has come `wakeAfter` events further; then it goes on for
   * `burst` events before it learns that its activity was given away.
   */
  | { kind: 'zombie'; wakeAfter: number; burst: number }
  /** The store or the way to it fails for longer than its client is patient, before or after the effect. */
  | { kind: 'store-away'; when: 'before' | 'after' }
  /** The store's answer is lost, and the client sends the request again. */
  | { kind: 'answer-lost' }
  /** Temporal never hears how the attempt under way ends. */
  | { kind: 'temporal-away' };

export interface FaultProgram {
  /** Cap on the oracle's price, as a share of what an undisturbed run may reserve. */
  cap: number;
  faults: { at: number; fault: Fault }[];
}

/** A little more than the events of an undisturbed run, so that what comes late is hit as well. */
export const LAST_EVENT = 260;

const when = fc.constantFrom('before' as const, 'after' as const);
const fault: fc.Arbitrary<Fault> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('kill-worker' as const), when }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'kill-trainer' as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('zombie' as const),
      wakeAfter: fc.nat({ max: 30 }),
      burst: fc.nat({ max: 30 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('store-away' as const), when }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'answer-lost' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'temporal-away' as const }) },
);

const faults = (minLength: number, maxLength: number) =>
  fc.array(fc.record({ at: fc.integer({ min: 1, max: LAST_EVENT }), fault }), { minLength, maxLength });

export const faultProgram: fc.Arbitrary<FaultProgram> = fc.record({
  cap: fc.constantFrom(0.3, 0.6, 1, 4),
  faults: faults(1, 6),
});

/** For real servers and processes, where each fault takes seconds. */
export const realFaultProgram: fc.Arbitrary<FaultProgram> = fc.record({
  cap: fc.constant(4),
  faults: faults(2, 4),
});
