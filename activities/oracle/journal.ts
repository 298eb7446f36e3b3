/**
 * The log of one attempt of one activity that asks an oracle. A question's price is on record before the question is
 * sent, and its answer before it counts: after a crash the log tells what was paid, and what may have been.
 * Records that come in while a segment is being written share the next one (group commit).
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { AnswerCache } from './answer-cache.js';
import { SEGMENT_RECORDS, type OracleAnswer, type SegmentRecords, type Writer } from './segment.js';

/** Two segments are at least this far apart: enough records then share one, and nobody waits long. */
const COMMIT_EVERY_MS = 50;

type Entry =
  | { kind: 'asked'; key: string; usd: number }
  | { kind: 'released'; key: string }
  | { kind: 'answer'; key: string; answer: OracleAnswer };
interface Pending {
  entry: Entry;
  resolve: () => void;
  reject: (error: unknown) => void;
}

export class Journal {
  private pending: Pending[] = [];
  private serial = 0;
  private committing = false;
  private lastCommit = -Infinity;

  constructor(
    private readonly cache: Pick<AnswerCache, 'append'>,
    readonly writer: Writer,
    private readonly commitEveryMs = COMMIT_EVERY_MS,
  ) {}

  /** Durable once it resolves: from then on the question may be sent, for `usd` at most. */
  asked(key: string, usd: number): Promise<void> {
    return this.append({ kind: 'asked', key, usd });
  }

  /** The question was not sent after all, or was certainly not billed. */
  released(key: string): Promise<void> {
    return this.append({ kind: 'released', key });
  }

  /** Durable once it resolves: from then on the answer counts. */
  answered(key: string, answer: OracleAnswer): Promise<void> {
    return this.append({ kind: 'answer', key, answer });
  }

  private append(entry: Entry): Promise<void> {
    return new Promise((resolve, reject) => {
      this.pending.push({ entry, resolve, reject });
      if (!this.committing) void this.commitAll();
    });
  }

  private async commitAll(): Promise<void> {
    this.committing = true;
    while (this.pending.length > 0) {
      const wait = this.lastCommit + this.commitEveryMs - Date.now();
      if (wait > 0) await delay(wait);
      this.lastCommit = Date.now();
      const batch = this.pending.splice(0, SEGMENT_RECORDS);
      try {
        this.serial = (await this.cache.append(this.writer, this.serial, recordsOf(batch))) + 1;
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.committing = false;
  }
}

function recordsOf(batch: Pending[]): SegmentRecords {
  const records: SegmentRecords = { asked: [], released: [], answers: [] };
  for (const { entry } of batch) {
    if (entry.kind === 'asked') records.asked.push({ key: entry.key, usd: entry.usd });
    else if (entry.kind === 'released') records.released.push(entry.key);
    else records.answers.push({ key: entry.key, answer: entry.answer });
  }
  return records;
}
