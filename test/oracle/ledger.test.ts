/** One authority over the cap of a run: what it promises, books and reports. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ledger, type LedgerEntry } from '../../workflows/ledger.js';

/** Spending of one model in one pass; `fields` say what matters. */
function entry(fields: Partial<LedgerEntry>): LedgerEntry {
  return {
    ...{ stage: 'distill', model: 'm', pass: 1, calls: 1, inputTokens: 10, outputTokens: 20, usd: 0.5 },
    unanswered: { calls: 0, usd: 0 },
    ...fields,
  };
}

interface Money {
  cap: number | undefined;
  leases: Map<string, number>;
  spent: number;
  lost: number;
}

describe('the ledger under commands in any order', () => {
  const amount = fc.integer({ min: 0, max: 400 }).map((cents) => cents / 100);
  const lease = fc.constantFrom('1', '2', '3', '4');

  class Reserve implements fc.Command<Money, Ledger> {
    constructor(
      readonly name: string,
      readonly usd: number,
    ) {}
    check = ({ leases }: Readonly<Money>) => !leases.has(this.name);
    run(model: Money, ledger: Ledger) {
      const held = [...model.leases.values()].reduce((sum, usd) => sum + usd, 0);
      const fits = model.cap === undefined || model.spent + model.lost + held + this.usd <= model.cap + 1e-9;
      expect(ledger.reserve(this.name, this.usd)).toBe(fits);
      if (fits) model.leases.set(this.name, model.cap === undefined ? 0 : this.usd);
    }
    toString = () => `reserve(${this.name}, ${this.usd})`;
  }
  /** As an activity does: it spends some of what it may, and loses some. */
  class Settle implements fc.Command<Money, Ledger> {
    constructor(
      readonly name: string,
      readonly share: number,
      readonly lostShare: number,
      readonly pass: number,
    ) {}
    check = ({ leases }: Readonly<Money>) => leases.has(this.name);
    run(model: Money, ledger: Ledger) {
      const may = model.leases.get(this.name)!;
      const unanswered = { calls: 1, usd: may * (1 - this.share) * this.lostShare };
      const spent = entry({ pass: this.pass, usd: may * this.share, unanswered });
      ledger.settle(this.name, [spent]);
      model.leases.delete(this.name);
      model.spent += spent.usd;
      model.lost += spent.unanswered.usd;
    }
    toString = () => `settle(${this.name}, ${this.share})`;
  }
  class Raise implements fc.Command<Money, Ledger> {
    constructor(readonly by: number) {}
    check = ({ cap }: Readonly<Money>) => cap !== undefined;
    run(model: Money, ledger: Ledger) {
      model.cap! += this.by;
      ledger.setCap(model.cap);
    }
    toString = () => `raise(${this.by})`;
  }

  it('adds up, and never promises more than its cap, whatever is reserved, settled and raised', () => {
    const share = fc.integer({ min: 0, max: 4 }).map((quarters) => quarters / 4);
    const commands = [
      fc.tuple(lease, amount).map(([name, value]) => new Reserve(name, value)),
      fc.tuple(lease, share, share, fc.constantFrom(1, 2)).map((given) => new Settle(...given)),
      amount.map((by) => new Raise(by)),
    ];
    fc.assert(
      fc.property(
        fc.commands(commands, { maxCommands: 60 }),
        fc.option(amount, { nil: undefined }),
        (list, cap) => {
          const ledger = new Ledger(cap);
          const model: Money = { cap, leases: new Map(), spent: 0, lost: 0 };
          fc.modelRun(() => ({ model, real: ledger }), list);
          const report = ledger.report();
          const held = [...model.leases.values()].reduce((sum, usd) => sum + usd, 0);
          expect(report.spentUsd).toBeCloseTo(model.spent, 9);
          expect(report.unansweredUsd).toBeCloseTo(model.lost, 9);
          expect(report.reservedUsd).toBeCloseTo(held, 9);
          expect(ledger.outstanding).toBe(model.leases.size);
          expect(report.spentUsd + report.unansweredUsd + report.reservedUsd).toBeLessThanOrEqual(
            (model.cap ?? Infinity) + 1e-6,
          );
          expect(report.calls).toBe(report.entries.reduce((sum, { calls }) => sum + calls, 0));
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('the ledger', () => {
  it('promises the whole of what is left, though sums of binary fractions miss it by a rounding', () => {
    const ledger = new Ledger(0.3);
    ledger.book([entry({ usd: 0.1 })]);
    // 0.1 + 0.2 is more than 0.3 in binary.
    expect(ledger.reserve('all', 0.2)).toBe(true);
    expect(ledger.availableUsd).toBe(0);
    expect(ledger.reserve('one cent more', 0.01)).toBe(false);
    expect(ledger.reserve('nothing', 0)).toBe(true);
  });

  it('has less to promise for what is settled, lost or held, and gives back what was not used', () => {
    const ledger = new Ledger(10);
    ledger.reserve('a', 6);
    expect(ledger.availableUsd).toBe(4);
    ledger.settle('a', [entry({ usd: 1, unanswered: { calls: 1, usd: 2 } })]);
    expect(ledger.availableUsd).toBe(7);
    expect(ledger.outstanding).toBe(0);
  });

  it('is never below nothing where the cap is lowered under what is spent', () => {
    const ledger = new Ledger(10);
    ledger.book([entry({ usd: 6 })]);
    ledger.setCap(5);
    expect(ledger.capUsd).toBe(5);
    expect(ledger.availableUsd).toBe(0);
    expect(ledger.reserve('a', 0.01)).toBe(false);
  });

  it('without a cap promises anything and holds nothing', () => {
    const ledger = new Ledger();
    expect(ledger.availableUsd).toBe(Infinity);
    expect(ledger.reserve('a', 1e9)).toBe(true);
    expect(ledger.report()).toMatchObject({ reservedUsd: 0, spentUsd: 0 });
    expect(ledger.report()).not.toHaveProperty('capUsd');
    expect(ledger.outstanding).toBe(1);
  });

  it('refuses a lease that is open, one that is not, and amounts that are none', () => {
    const ledger = new Ledger(10);
    ledger.reserve('a', 1);
    expect(() => ledger.reserve('a', 1)).toThrow('Lease a is open already.');
    expect(() => ledger.settle('b', [])).toThrow('Lease b is not open.');
    expect(() => ledger.reserve('c', -1)).toThrow('Lease c is for -1 USD.');
    expect(() => ledger.reserve('c', Number.NaN)).toThrow('Lease c is for NaN USD.');
    expect(ledger.report().reservedUsd).toBe(1);
  });

  it('reports by stage, pass and model, in that order, with everything of one kind added up', () => {
    const ledger = new Ledger(100);
    const booked = entry({ model: 'dear', pass: 2 });
    ledger.book([booked, entry({ model: 'dear' }), entry({ stage: 'evaluate' }), entry({ model: 'cheap' })]);
    ledger.book([
      entry({
        calls: 3,
        inputTokens: 5,
        outputTokens: 7,
        usd: 2,
        pass: 2,
        model: 'dear',
        unanswered: { calls: 1, usd: 4 },
      }),
    ]);
    booked.unanswered.usd = 1_000;
    const { entries, ...sums } = ledger.report();
    expect(entries.map(({ stage, pass, model }) => `${stage} ${pass} ${model}`)).toEqual([
      'distill 1 cheap',
      'distill 1 dear',
      'distill 2 dear',
      'evaluate 1 m',
    ]);
    expect(entries[2]).toEqual({
      ...{ stage: 'distill', model: 'dear', pass: 2, calls: 4, inputTokens: 15, outputTokens: 27, usd: 2.5 },
      unanswered: { calls: 1, usd: 4 },
    });
    expect(sums).toEqual({
      ...{ currency: 'USD', capUsd: 100, spentUsd: 4, unansweredUsd: 4, reservedUsd: 0 },
      ...{ inputTokens: 45, outputTokens: 87, calls: 7 },
    });
  });

  it('comes to the same in whatever order and portions it is booked', () => {
    const cents = fc.nat(500).map((n) => n / 4);
    const spending = fc.record({
      stage: fc.constantFrom('distill', 'evaluate'),
      model: fc.constantFrom('a', 'b'),
      pass: fc.constantFrom(1, 2),
      ...{ calls: fc.nat(9), inputTokens: fc.nat(99), outputTokens: fc.nat(99), usd: cents },
      unanswered: fc.record({ calls: fc.nat(9), usd: cents }),
    });
    fc.assert(
      fc.property(fc.array(spending, { maxLength: 12 }), (all) => {
        const [atOnce, oneByOne] = [new Ledger(), new Ledger()];
        atOnce.book(all);
        for (const one of [...all].reverse()) oneByOne.book([one]);
        expect(oneByOne.report()).toEqual(atOnce.report());
      }),
    );
  });
});
