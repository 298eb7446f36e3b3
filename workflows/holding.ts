/** Holding a run and letting it go on: what works here is stopped, a stage that works as a child is told. */
import { CancellationScope, CancelledFailure, condition } from '@temporalio/workflow';
import * as messages from './messages.js';
import { tell } from './talk.js';

export class Holding {
  held = false;
  /** The stage that works as a child workflow now. */
  runningChild: string | undefined;
  /** How often this run was held or let go: tells its stages which of two orders is the newer one. */
  private orders = 0;
  /** The newest order of the run that this workflow is a stage of. */
  private ordered = 0;
  private interrupt: (() => void) | undefined;
  private wasInterrupted = false;

  /** @param changed called after each order */
  constructor(private readonly changed: () => void) {}

  /** Whether the newest work was stopped by a pause. */
  get interrupted(): boolean {
    return this.wasInterrupted;
  }

  hold(held: boolean): void {
    this.held = held;
    this.orders += 1;
    if (this.runningChild) this.passOn(this.runningChild);
    else if (held) this.interrupt?.();
    this.changed();
  }

  /** An order of the run that this workflow is a stage of; one that newer ones have overtaken is void. */
  obey(held: boolean, order = this.ordered): void {
    if (order < this.ordered) return;
    this.ordered = order;
    this.hold(held);
  }

  /** Wait until the run is not held; a cancelled run stops here. */
  async whileHeld(message = 'The run was cancelled.'): Promise<void> {
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure(message);
    if (!this.held) return;
    await condition(() => !this.held);
  }

  /** Run `work` in a scope that a pause can cancel. */
  async interruptible<T>(work: () => Promise<T>): Promise<T> {
    const scope = new CancellationScope();
    this.wasInterrupted = false;
    this.interrupt = () => {
      this.wasInterrupted = true;
      scope.cancel();
    };
    try {
      return await scope.run(work);
    } finally {
      this.interrupt = undefined;
    }
  }

  /** Run `work`, which starts the child `workflowId`; `started` is to be called once there is somebody to tell. */
  async whileChildRuns<T>(workflowId: string, work: (started: () => void) => Promise<T>): Promise<T> {
    this.runningChild = workflowId;
    try {
      return await work(() => {
        // A pause that came before the child did found nobody to tell.
        if (this.held) this.passOn(workflowId);
      });
    } finally {
      this.runningChild = undefined;
    }
  }

  private passOn(childId: string): void {
    void tell(childId, messages.holdSignal, this.held, this.orders);
  }
}
