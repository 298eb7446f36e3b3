/** What a run may spend on oracles: its cap, the ledger, and what a person says when the cap is reached. */
import { setHandler } from '@temporalio/workflow';
import { Ledger, type LedgerEntry, type LedgerReport } from './ledger.js';
import * as messages from './messages.js';
import { refuseUnless, tell } from './talk.js';

/** What spending needs to know of its run. */
export interface SpendingHost {
  budgetUsd: number | undefined;
  /** The run that pays, where this workflow is a stage of it. */
  readonly parent: string | undefined;
  /** The stage that works as a child workflow now. */
  readonly runningChild: string | undefined;
  /** What the run waits to have corrected. */
  readonly problem?: messages.RunProgress['problem'];
  readonly state: messages.RunState;
  correct(correction: messages.Correction): messages.RunState;
  show(): void;
}

/** A report goes to the run that started this stage at most so often, and only where it says something new. */
const PUBLISH_EVERY_MS = 60_000;
const PUBLISH_GROWTH = 1.05;

export class Spending {
  /** A person decided to go on with the answers that are there. */
  onlyStored: boolean;
  private ledger: Ledger | undefined;
  /** The newest report of a child, which is where the ledger is kept while it runs. */
  private reported: LedgerReport | undefined;
  private published = { at: 0, calls: 0 };

  constructor(
    private readonly host: SpendingHost,
    onlyStored = false,
  ) {
    this.onlyStored = onlyStored;
  }

  /** Install the message handlers. */
  listen(): void {
    const { host } = this;
    setHandler(messages.ledgerQuery, () => this.report());
    setHandler(messages.ledgerSignal, (report) => {
      // Signals may arrive in another order than sent; spending only grows.
      if (report.calls < (this.reported?.calls ?? 0)) return;
      this.reported = report;
      host.show();
    });
    setHandler(messages.budgetSignal, (usd) => {
      if (usd > (host.budgetUsd ?? 0)) this.raise(usd);
    });
    setHandler(messages.raiseBudgetUpdate, ({ usd }) => this.raiseByHand(usd), {
      validator: (change: messages.BudgetRaise) => this.checkRaise(change),
    });
    setHandler(messages.continueWithWhatIsThereUpdate, () => this.goOnWithoutMore(), {
      validator: () =>
        refuseUnless(
          host.problem?.type === 'BudgetExhausted',
          'The run is not held up by its budget: there is nothing to go on without.',
        ),
    });
  }

  /** Open the ledger of a stage that begins, or begins again, with what the run has paid so far. */
  open(paid: readonly LedgerEntry[]): Ledger {
    this.ledger = new Ledger(this.host.budgetUsd);
    this.ledger.book(paid);
    this.host.show();
    return this.ledger;
  }

  report(): LedgerReport {
    return this.ledger?.report() ?? this.reported ?? new Ledger(this.host.budgetUsd).report();
  }

  /** Whether there is anything to tell yet. */
  get known(): boolean {
    return this.ledger !== undefined || this.reported !== undefined;
  }

  /** Tell the run that started this stage; rarely, unless `now`. */
  async publish(now = false): Promise<void> {
    const { parent } = this.host;
    if (!parent) return;
    const report = this.report();
    const { at, calls } = this.published;
    if (!now && (Date.now() - at < PUBLISH_EVERY_MS || report.calls < calls * PUBLISH_GROWTH)) return;
    this.published = { at: Date.now(), calls: report.calls };
    await tell(parent, messages.ledgerSignal, report);
  }

  private checkRaise(change: messages.BudgetRaise): void {
    const { budgetUsd: present, parent } = this.host;
    refuseUnless(!parent, `This stage spends the budget of ${parent}: send raiseBudget there.`);
    refuseUnless(present !== undefined, 'The run has no cap on its spending.');
    const usd = (change as Partial<messages.BudgetRaise> | undefined)?.usd;
    refuseUnless(
      Number.isFinite(usd) && usd! > present!,
      `raiseBudget: give {"usd": N} with N above the present cap of $${present}.`,
    );
  }

  private raiseByHand(usd: number): messages.RunState {
    this.raise(usd);
    if (this.host.problem?.type === 'BudgetExhausted') return this.host.correct({ budgetUsd: usd });
    const { runningChild } = this.host;
    if (runningChild) void tell(runningChild, messages.budgetSignal, usd);
    return this.host.state;
  }

  private raise(usd: number): void {
    this.host.budgetUsd = usd;
    this.onlyStored = false;
    this.ledger?.setCap(usd);
    if (this.reported) this.reported = { ...this.reported, capUsd: usd };
    this.host.show();
  }

  private goOnWithoutMore(): messages.RunState {
    this.onlyStored = true;
    return this.host.correct({});
  }
}
