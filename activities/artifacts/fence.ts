import { z } from 'zod';
import { StoreError, corrupt, isStoreError } from './errors.js';
import type { Records } from './records.js';

/** A position in a stage's sequence of checkpoints. */
export interface CheckpointId {
  step: number;
  attempt: number;
}

const fenceSchema = z.object({
  attempt: z.int().positive(),
  owner: z.string(),
  /** Every attempt that ever held the stage, and the newest checkpoint it found when it took over. */
  claims: z.array(
    z.object({
      attempt: z.int().positive(),
      owner: z.string(),
      from: z.object({ step: z.int(), attempt: z.int() }).nullable(),
      at: z.string(),
    }),
  ),
});
export type Fence = z.infer<typeof fenceSchema>;

const SWAP_ATTEMPTS = 50;

/** The record `checkpoints/<stageKey>/fence.json`: which attempt may write checkpoints of a stage. */
export class Fences {
  constructor(private readonly records: Records) {}

  async read(stageKey: string): Promise<(Fence & { etag: string }) | undefined> {
    const record = await this.records.getJson(fenceKey(stageKey));
    if (!record) return undefined;
    const parsed = fenceSchema.safeParse(record.value);
    if (!parsed.success) throw corrupt(fenceKey(stageKey), 'it is not a fence');
    return { ...parsed.data, etag: record.etag };
  }

  /**
   * Moves the fence to `attempt`, or to the next free number if none is given. From then on every lower
   * attempt is refused.
   *
   * @param newest the newest complete checkpoint, given the fence as it stands before the move.
   * @throws StoreError `Fenced` if `attempt` is lower than one that was seen.
   */
  async claim(
    stageKey: string,
    owner: string,
    attempt: number | undefined,
    newest: (fence: Fence | undefined) => Promise<CheckpointId | undefined>,
  ): Promise<Fence> {
    for (let swap = 0; ; swap++) {
      const standing = await this.read(stageKey);
      if (standing && attempt !== undefined && attempt < standing.attempt) {
        throw fenced(stageKey, attempt, standing);
      }
      if (standing && attempt === standing.attempt) return standing;

      const from = await newest(standing);
      const next: Fence = {
        attempt: attempt ?? (standing?.attempt ?? 0) + 1,
        owner,
        claims: [...(standing?.claims ?? [])],
      };
      next.claims.push({
        attempt: next.attempt,
        owner,
        from: from ? { step: from.step, attempt: from.attempt } : null,
        at: new Date().toISOString(),
      });
      try {
        await this.records.putJson(
          fenceKey(stageKey),
          next,
          standing ? { ifMatch: standing.etag } : { ifNoneMatch: true },
        );
        return next;
      } catch (error) {
        if (!isStoreError(error, 'PreconditionFailed') || swap >= SWAP_ATTEMPTS) throw error;
      }
    }
  }

  /** @throws StoreError `Fenced` if a later attempt has taken the stage over. */
  async assertHeld(stageKey: string, attempt: number): Promise<void> {
    const standing = await this.read(stageKey);
    if (standing && attempt < standing.attempt) throw fenced(stageKey, attempt, standing);
  }
}

/**
 * Whether a checkpoint belongs to the stage's line of descent. A manifest that a fenced attempt squeezed in
 * after its successor had taken over lies beyond where the successor began, and does not.
 */
export function isOnLine(checkpoint: CheckpointId, fence: Fence | undefined): boolean {
  return (fence?.claims ?? []).every(
    ({ attempt, from }) => attempt <= checkpoint.attempt || (from !== null && checkpoint.step <= from.step),
  );
}

function fenceKey(stageKey: string): string {
  return `checkpoints/${stageKey}/fence.json`;
}

function fenced(stageKey: string, attempt: number, standing: Fence): StoreError {
  return new StoreError(
    'Fenced',
    `Attempt ${attempt} of stage ${stageKey.slice(0, 12)} may not write: attempt ${standing.attempt} (${standing.owner}) has taken over. Stop this process; the later attempt goes on.`,
  );
}
