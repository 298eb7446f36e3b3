/** One trainer per stage: a second run that wants the same stage waits for the first one's result. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ArtifactStore } from '../artifacts/store.js';

interface Lease {
  owner: string;
  expiresAt: number;
}

const key = (stageKey: string) => `leases/${stageKey}.json`;

/**
 * Hold the lease on a stage. The same owner (an activity of one workflow, in any attempt) takes it at once: its earlier
 * attempt is lost or fenced. Another owner waits until it is released or not renewed for `seconds`.
 */
export class StageLease {
  private timer: NodeJS.Timeout | undefined;

  private constructor(
    private readonly store: ArtifactStore,
    private readonly stageKey: string,
    private readonly owner: string,
    private readonly seconds: number,
  ) {}

  /** @param whileWaiting is asked before each wait; return true to give up (the stage is finished). */
  static async acquire(
    store: ArtifactStore,
    stageKey: string,
    owner: string,
    seconds: number,
    whileWaiting: () => Promise<boolean>,
    signal: AbortSignal,
  ): Promise<StageLease | undefined> {
    const lease = new StageLease(store, stageKey, owner, seconds);
    while (!(await lease.tryTake())) {
      if (await whileWaiting()) return undefined;
      await delay(1000, undefined, { signal });
    }
    lease.timer = setInterval(() => void lease.tryTake().catch(() => undefined), (seconds * 1000) / 3);
    return lease;
  }

  /** Let the next owner in at once. */
  async release(): Promise<void> {
    clearInterval(this.timer);
    const standing = await this.store.getJson(key(this.stageKey));
    if ((standing?.value as Lease | undefined)?.owner !== this.owner) return;
    await this.store
      .putJson(key(this.stageKey), { owner: this.owner, expiresAt: 0 }, { ifMatch: standing!.etag })
      .catch(() => undefined);
  }

  private async tryTake(): Promise<boolean> {
    const standing = await this.store.getJson(key(this.stageKey));
    const lease = standing?.value as Lease | undefined;
    if (lease && lease.owner !== this.owner && lease.expiresAt > Date.now()) return false;
    const mine: Lease = { owner: this.owner, expiresAt: Date.now() + this.seconds * 1000 };
    try {
      await this.store.putJson(
        key(this.stageKey),
        mine,
        standing ? { ifMatch: standing.etag } : { ifNoneMatch: true },
      );
      return true;
    } catch (error) {
      if ((error as { type?: string }).type === 'PreconditionFailed') return false;
      throw error;
    }
  }
}
