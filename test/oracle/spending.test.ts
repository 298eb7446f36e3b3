/** A person raises the budget, a stage reports what it spent: messages that may come late, twice or out of order. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Ledger, type LedgerEntry, type LedgerReport } from '../../workflows/ledger.js';
import * as messages from '../../workflows/messages.js';
import { Spending, type SpendingHost } from '../../workflows/spending.js';

type Handler = (...args: unknown[]) => unknown;
interface Installed {
  handler: Handler;
  validator?: Handler;
}

const temporal = vi.hoisted(() => ({
  handlers: new Map<string, unknown>(),
  told: [] as { to: string; signal: string; args: unknown[] }[],
}));

vi.mock('@temporalio/workflow', async (original) => ({
  ...(await original<object>()),
  setHandler: (definition: { name: string }, handler: Handler, options?: object) =>
    temporal.handlers.set(definition.name, { handler, ...options }),
  getExternalWorkflowHandle: (to: string) => ({
    signal: async (definition: { name: string }, ...args: unknown[]) => {
      temporal.told.push({ to, signal: definition.name, args });
    },
  }),
}));

/** Send a message as Temporal does: the validator is asked first. */
function send({ name }: { name: string }, ...args: unknown[]): unknown {
  const { handler, validator } = temporal.handlers.get(name) as Installed;
  validator?.(...args);
  return handler(...args);
}

class Run implements SpendingHost {
  parent: string | undefined;
  runningChild: string | undefined;
  problem: SpendingHost['problem'];
  state: messages.RunState = 'running';
  corrections: messages.Correction[] = [];
  shown = 0;
  constructor(public budgetUsd: number | undefined) {}
  correct(correction: messages.Correction) {
    this.corrections.push(correction);
    return this.state;
  }
  show() {
    this.shown += 1;
  }
}

const EXHAUSTED = { stage: 'distill', type: 'BudgetExhausted', message: 'spent' } as const;

function begin(budgetUsd: number | undefined, change: Partial<Run> = {}) {
  const run = Object.assign(new Run(budgetUsd), change);
  const spending = new Spending(run);
  spending.listen();
  return { run, spending };
}

function paid(calls: number, usd = calls): LedgerEntry {
  return {
    ...{ stage: 'distill', model: 'm', pass: 1, calls, inputTokens: 0, outputTokens: 0, usd },
    unanswered: { calls: 0, usd: 0 },
  };
}

function reportOf(calls: number, usd = calls): LedgerReport {
  const ledger = new Ledger(5);
  ledger.book([paid(calls, usd)]);
  return ledger.report();
}

beforeEach(() => {
  temporal.told.length = 0;
  vi.useFakeTimers({ now: Date.UTC(2026, 0, 1), toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe('what is known of the spending', () => {
  it('is nothing but the cap before anything was asked', () => {
    const { spending } = begin(5);
    expect(spending.known).toBe(false);
    expect(send(messages.ledgerQuery)).toMatchObject({ capUsd: 5, calls: 0, entries: [] });
  });

  it('is what the run had paid before, and from then on what its ledger says', () => {
    const { run, spending } = begin(5);
    const ledger = spending.open([paid(2)]);
    expect(spending.known).toBe(true);
    expect(run.shown).toBe(1);
    expect(spending.report()).toMatchObject({ capUsd: 5, spentUsd: 2, calls: 2 });
    ledger.book([paid(1)]);
    expect(send(messages.ledgerQuery)).toMatchObject({ spentUsd: 3, calls: 3 });
  });

  it('is the newest report of the stage that keeps the ledger; one that was overtaken changes nothing', () => {
    const { run, spending } = begin(5);
    send(messages.ledgerSignal, reportOf(3));
    expect(spending.known).toBe(true);
    send(messages.ledgerSignal, reportOf(2));
    expect(spending.report().calls).toBe(3);
    expect(run.shown).toBe(1);
    // As many calls, but more of them settled.
    send(messages.ledgerSignal, reportOf(3, 4));
    expect(spending.report().spentUsd).toBe(4);
    expect(run.shown).toBe(2);
  });
});

describe('a budget raised by hand', () => {
  it('holds from now on for the ledger here, for the report, and for the stage that works elsewhere', () => {
    const { run, spending } = begin(5, { runningChild: 'run/distill', state: 'paused' });
    send(messages.ledgerSignal, reportOf(3));
    const ledger = spending.open([]);
    expect(send(messages.raiseBudgetUpdate, { usd: 8 })).toBe('paused');
    expect([run.budgetUsd, ledger.capUsd]).toEqual([8, 8]);
    expect(temporal.told).toEqual([{ to: 'run/distill', signal: 'budget', args: [8] }]);
    expect(run.corrections).toEqual([]);
  });

  it('shows in the report of a stage that ended', () => {
    const { run, spending } = begin(5);
    send(messages.ledgerSignal, reportOf(3));
    send(messages.raiseBudgetUpdate, { usd: 8 });
    expect(spending.report()).toMatchObject({ capUsd: 8, calls: 3 });
    expect(run.shown).toBe(2);
    expect(temporal.told).toEqual([]);
  });

  it('lets a run go on that had come to its cap', () => {
    const { run } = begin(5, {
      problem: EXHAUSTED,
      runningChild: 'run/distill',
      state: 'awaiting-correction',
    });
    expect(send(messages.raiseBudgetUpdate, { usd: 8 })).toBe('awaiting-correction');
    expect(run.corrections).toEqual([{ budgetUsd: 8 }]);
    expect(temporal.told).toEqual([]);
  });

  it('does not touch a run that waits for something else', () => {
    const { run } = begin(5, { problem: { ...EXHAUSTED, type: 'InvalidData' } });
    send(messages.raiseBudgetUpdate, { usd: 8 });
    expect(run.corrections).toEqual([]);
  });

  it.each([
    [{ usd: 5 }],
    [{ usd: 4 }],
    [{ usd: Infinity }],
    [{ usd: Number.NaN }],
    [{ usd: '8' }],
    [{}],
    [undefined],
  ])('of %j is refused, with what to give', (change) => {
    const { run } = begin(5);
    expect(() => send(messages.raiseBudgetUpdate, change)).toThrow(
      'raiseBudget: give {"usd": N} with N above the present cap of $5.',
    );
    expect(run.budgetUsd).toBe(5);
  });

  it('is refused where there is no cap, and by a stage of another run, which is named', () => {
    begin(undefined);
    expect(() => send(messages.raiseBudgetUpdate, { usd: 8 })).toThrow('The run has no cap on its spending.');
    begin(5, { parent: 'the-run' });
    expect(() => send(messages.raiseBudgetUpdate, { usd: 8 })).toThrow(
      'This stage spends the budget of the-run: send raiseBudget there.',
    );
  });

  it('reaches a stage as a signal; one that was overtaken by a higher one changes nothing', () => {
    const { run, spending } = begin(5, { parent: 'the-run' });
    const ledger = spending.open([]);
    send(messages.budgetSignal, 9);
    send(messages.budgetSignal, 8);
    send(messages.budgetSignal, 9);
    expect([run.budgetUsd, ledger.capUsd, run.shown]).toEqual([9, 9, 2]);
  });

  it('gives a cap to a stage that had none', () => {
    const { run, spending } = begin(undefined, { parent: 'the-run' });
    send(messages.budgetSignal, 1);
    expect(run.budgetUsd).toBe(1);
    // To raise a budget is not to know what was spent.
    expect(spending.known).toBe(false);
    expect(spending.report()).toMatchObject({ capUsd: 1, entries: [] });
  });
});

describe('going on with what is there', () => {
  it('ends the wait at the cap without a new one, until the budget is raised after all', () => {
    const { run, spending } = begin(5, { problem: EXHAUSTED, state: 'awaiting-correction' });
    expect(spending.onlyStored).toBe(false);
    expect(send(messages.continueWithWhatIsThereUpdate)).toBe('awaiting-correction');
    expect(spending.onlyStored).toBe(true);
    expect(run.corrections).toEqual([{}]);
    send(messages.raiseBudgetUpdate, { usd: 8 });
    expect(spending.onlyStored).toBe(false);
  });

  it('is refused where it is not the budget that holds the run up', () => {
    const { run, spending } = begin(5);
    const refusal = 'The run is not held up by its budget: there is nothing to go on without.';
    expect(() => send(messages.continueWithWhatIsThereUpdate)).toThrow(refusal);
    run.problem = { ...EXHAUSTED, type: 'InvalidData' };
    expect(() => send(messages.continueWithWhatIsThereUpdate)).toThrow(refusal);
    expect(spending.onlyStored).toBe(false);
  });

  it('is what a stage begins with where its run was told so', () => {
    expect(new Spending(new Run(5), true).onlyStored).toBe(true);
  });
});

describe('a stage tells its run what it spent', () => {
  const minutes = (count: number) => vi.setSystemTime(Date.now() + count * 60_000);

  it('at once, then at most each minute, and only where it is a twentieth more', async () => {
    const { spending } = begin(5, { parent: 'the-run' });
    const ledger = spending.open([paid(100, 1)]);
    await spending.publish();
    ledger.book([paid(50, 0)]);
    vi.setSystemTime(Date.now() + 59_999);
    await spending.publish();
    expect(temporal.told).toHaveLength(1);
    vi.setSystemTime(Date.now() + 1);
    await spending.publish();
    minutes(1);
    ledger.book([paid(7, 0)]);
    await spending.publish();
    ledger.book([paid(3, 0)]);
    await spending.publish();
    minutes(1);
    ledger.book([paid(8, 0)]);
    await spending.publish();
    expect(temporal.told.map(({ args }) => (args[0] as LedgerReport).calls)).toEqual([100, 150, 160, 168]);
    expect(temporal.told[0]).toMatchObject({ to: 'the-run', signal: 'ledgerReport' });
  });

  it('whatever was said before, where it ends', async () => {
    const { spending } = begin(5, { parent: 'the-run' });
    spending.open([paid(100)]);
    await spending.publish();
    await spending.publish(true);
    expect(temporal.told).toHaveLength(2);
  });

  it('and nobody where it is the run itself', async () => {
    const { spending } = begin(5);
    spending.open([paid(100)]);
    await spending.publish(true);
    expect(temporal.told).toEqual([]);
  });
});
