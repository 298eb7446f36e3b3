/** What an onlooker at bucket and provider sees, and what must never be seen there. */
import { decodeHeader } from '../../activities/oracle/segment.js';

const CHECKPOINT = /^checkpoints\/([^/]+)\/step-0*(\d+)\/attempt-(\d+)\/manifest\.json$/;
const FENCE = /^checkpoints\/([^/]+)\/fence\.json$/;

interface Standing {
  /** The newest attempt that has taken the stage over. */
  attempt: number;
  /** Step of the newest checkpoint that the attempt of its time completed. */
  newest: number;
}

export class Observer {
  readonly wrong: string[] = [];
  /** Checkpoints that were completed by an attempt which had lost its stage by then. */
  readonly stale = new Set<string>();
  /** Questions whose answer is stored. */
  readonly answered = new Set<string>();
  /** Answers the provider billed, by question. */
  readonly bills = new Map<string, number>();
  billedUsd = 0;
  capUsd = Infinity;
  private readonly stages = new Map<string, Standing>();
  /** Newest checkpoints when a process began its attempt. */
  private readonly known = new WeakMap<object, Map<string, number>>();

  /** An attempt at training begins. */
  begins(process: object): void {
    this.known.set(process, new Map([...this.stages].map(([key, { newest }]) => [key, newest])));
  }

  /** A write that took effect. */
  wrote(key: string, body: Buffer, writer: object | undefined): void {
    const checkpoint = CHECKPOINT.exec(key);
    if (checkpoint) this.completed(checkpoint[1]!, Number(checkpoint[2]), Number(checkpoint[3]));
    const fence = FENCE.exec(key);
    if (fence) this.claimed(fence[1]!, JSON.parse(body.toString('utf8')) as FenceRecord, writer);
    if (key.startsWith('oracle-answers/'))
      for (const [question] of decodeHeader(key, body).header.answers) this.answered.add(question);
  }

  /** The provider answers, and bills. @param known what was stored when the asking attempt began. */
  asked(question: string, usd: number, known: ReadonlySet<string>): void {
    if (known.has(question))
      this.wrong.push(`question ${question.slice(0, 8)} was paid again though its answer was stored`);
    this.bills.set(question, (this.bills.get(question) ?? 0) + 1);
    this.billedUsd += usd;
    if (this.billedUsd > this.capUsd + 1e-9)
      this.wrong.push(`the provider billed $${this.billedUsd.toFixed(6)}, over the cap of $${this.capUsd}`);
  }

  /** A finished stage's checkpoints, as the store shows them. */
  shown(stageKey: string, visible: readonly { step: number; attempt: number }[]): void {
    for (const { step, attempt } of visible)
      if (this.stale.has(nameOf(stageKey, step, attempt)))
        this.wrong.push(
          `checkpoint ${step} of attempt ${attempt} is visible though the stage was taken over`,
        );
  }

  private completed(stageKey: string, step: number, attempt: number): void {
    const standing = this.stages.get(stageKey);
    if (standing && attempt < standing.attempt) this.stale.add(nameOf(stageKey, step, attempt));
    else if (standing) standing.newest = Math.max(standing.newest, step);
  }

  private claimed(stageKey: string, { attempt, claims }: FenceRecord, writer: object | undefined): void {
    const standing = this.stages.get(stageKey) ?? { attempt: 0, newest: 0 };
    const from = claims.at(-1)?.from ?? null;
    if (from && this.stale.has(nameOf(stageKey, from.step, from.attempt)))
      this.wrong.push(
        `attempt ${attempt} goes on from checkpoint ${from.step} of attempt ${from.attempt}, a stale one`,
      );
    const known = (writer && this.known.get(writer)?.get(stageKey)) ?? 0;
    if ((from?.step ?? 0) < known)
      this.wrong.push(`attempt ${attempt} begins at step ${from?.step ?? 0} though ${known} was stored`);
    if (attempt <= standing.attempt) this.wrong.push(`attempt ${attempt} took over from ${standing.attempt}`);
    // What lies beyond its beginning is not on its line.
    this.stages.set(stageKey, { attempt, newest: from?.step ?? 0 });
  }
}

interface FenceRecord {
  attempt: number;
  claims: { from: { step: number; attempt: number } | null }[];
}

function nameOf(stageKey: string, step: number, attempt: number): string {
  return `${stageKey}/${step}/${attempt}`;
}
