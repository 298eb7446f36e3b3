/** Checkpoints on their way to the store while the engine trains on. */
import { rm } from 'node:fs/promises';
import { CHECKPOINTS_KEPT } from '../artifacts/checkpoints.js';
import type { ArtifactStore } from '../artifacts/store.js';

/** Uploads one after the other; of several that wait, only the newest is worth its upload. */
export class CheckpointUploads {
  private waiting: { step: number; dir: string } | undefined;
  private running: Promise<void> | undefined;
  private failure: Error | undefined;
  /** Step of the newest checkpoint that is complete in the store. */
  storedStep: number | undefined;

  constructor(
    private readonly store: ArtifactStore,
    private readonly stageKey: string,
    private readonly attempt: number,
    private readonly onFailure: (error: unknown) => void,
    private readonly onStored: () => void = () => undefined,
  ) {}

  /** Take over `dir`: it is deleted once stored or superseded. After a failure nothing is uploaded any more. */
  add(step: number, dir: string): void {
    const useless = this.failure ? dir : this.waiting?.dir;
    if (useless) void rm(useless, { recursive: true, force: true });
    if (this.failure) return;
    this.waiting = { step, dir };
    this.running ??= this.work().finally(() => {
      this.running = undefined;
    });
  }

  /** Wait until everything is stored. @throws what the store threw, for example `Fenced`. */
  async settle(): Promise<void> {
    while (this.running) await this.running;
    if (this.failure) throw this.failure;
  }

  private async work(): Promise<void> {
    try {
      while (this.waiting && !this.failure) {
        const { step, dir } = this.waiting;
        this.waiting = undefined;
        await this.store.saveCheckpoint(this.stageKey, step, this.attempt, dir);
        this.storedStep = step;
        this.onStored();
        await rm(dir, { recursive: true, force: true });
        await this.store.pruneCheckpoints(this.stageKey, CHECKPOINTS_KEPT);
      }
    } catch (error) {
      this.failure = error as Error;
      this.onFailure(error);
    }
  }
}
