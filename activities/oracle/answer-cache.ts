/**
 * Oracle answers by the hash of the question: durable before they count, shared by all runs, never paid twice. They
 * lie in segments (`segment.ts`) below `oracle-answers/`; this is the index over them, rebuilt from a listing by every
 * worker, and kept up to date by its own writes and by looking again.
 */
import { createHash } from 'node:crypto';
import type { Message } from '../../judge/pair.js';
import { canonicalJson } from '../artifacts/canonical-json.js';
import { isStoreError, StoreError } from '../artifacts/errors.js';
import { mapLimit } from '../artifacts/map-limit.js';
import type { ArtifactStore } from '../artifacts/store.js';
import {
  decodeAnswer,
  decodeHeader,
  encodeSegment,
  HEADER_BYTES,
  SEGMENT_RECORDS,
  type OracleAnswer,
  type SegmentHeader,
  type SegmentRecords,
  type Writer,
} from './segment.js';

export type { OracleAnswer } from './segment.js';

/** What was asked: everything that may change the answer. */
export interface OracleQuestion {
  model: string;
  messages: Message[];
  temperature: number;
  maxTokens: number;
  /** 0 for the first sample; further ones are other questions. */
  sample: number;
}

/** The part of the store that the log needs. */
export type SegmentStore = Pick<ArtifactStore, 'putSegment' | 'getSegment' | 'listKeys'>;

const ROOT = 'oracle-answers/';
const READS_IN_FLIGHT = 16;
/** Two looks at the listing are at least this far apart, unless an attempt before may have written something. */
const LOOK_EVERY_MS = 5_000;

/** Hex sha256 of a question: the name of its answer, and the `custom_id` of a batch line. */
export function questionKey(question: OracleQuestion): string {
  return sha256(canonicalJson(question));
}

/** Where everything lies that a run paid for. */
export function runPrefix(run: string): string {
  return `${ROOT}${sha256(run).slice(0, 24)}/`;
}

/** Where everything lies that one scheduled activity of a run paid for, in all its attempts. */
export function activityPrefix({ run, activity }: Pick<Writer, 'run' | 'activity'>): string {
  return `${runPrefix(run)}${sha256(activity).slice(0, 24)}/`;
}

function segmentKey(writer: Writer, serial: number): string {
  return `${activityPrefix(writer)}${writer.attempt}-${String(serial).padStart(6, '0')}.jsonl`;
}

/** A segment without records, which no attempt writes into its own log. */
function isSeal({ asked, released, answers }: SegmentHeader): boolean {
  return asked.length === 0 && released.length === 0 && answers.length === 0;
}

function sealed({ attempt, activity }: Writer): StoreError {
  return new StoreError(
    'Fenced',
    `Attempt ${attempt} of activity ${activity} may ask nothing more: a later attempt has taken over. Stop this process; the later attempt goes on.`,
  );
}

interface Place {
  segment: string;
  offset: number;
  length: number;
}

export class AnswerCache {
  private readonly places = new Map<string, Place>();
  private readonly known = new Set<string>();
  private looked = -Infinity;
  private looking: Promise<void> | undefined;
  private readonly asking = new Map<string, Promise<OracleAnswer | undefined>>();

  constructor(private readonly store: SegmentStore) {}

  /** Learn what others have stored since; `now` forces a look where the last one is recent. */
  async refresh({ now = false } = {}): Promise<void> {
    if (!now && Date.now() - this.looked < LOOK_EVERY_MS) return;
    this.looking ??= this.look().finally(() => (this.looking = undefined));
    await this.looking;
  }

  has(key: string): boolean {
    return this.places.has(short(key));
  }

  /** Stored answers among `keys`, by key; each segment is read once. */
  async getMany(keys: Iterable<string>): Promise<Map<string, OracleAnswer>> {
    const bySegment = new Map<string, [string, Place][]>();
    for (const key of keys) {
      const place = this.places.get(short(key));
      if (!place) continue;
      const wanted = bySegment.get(place.segment);
      if (wanted) wanted.push([key, place]);
      else bySegment.set(place.segment, [[key, place]]);
    }
    const found = new Map<string, OracleAnswer>();
    await mapLimit([...bySegment], READS_IN_FLIGHT, async ([segment, wanted]) => {
      const bytes = await this.store.getSegment(segment);
      // Somebody removed it: what it held counts as never asked.
      if (!bytes) return this.forget(wanted);
      const { begin } = decodeHeader(segment, bytes);
      for (const [key, { offset, length }] of wanted) {
        found.set(key, decodeAnswer(bytes, begin, offset, length));
      }
    });
    return found;
  }

  /** Write one segment; when this returns, everything in it is durable and known. */
  async put(writer: Writer, serial: number, records: SegmentRecords): Promise<void> {
    const { header, bytes } = encodeSegment(writer, records);
    const key = segmentKey(writer, serial);
    await this.store.putSegment(key, bytes);
    this.note(key, header);
  }

  /**
   * Write the segment that follows in the log of one attempt.
   * @returns its serial: `serial`, or a later one where earlier writes took effect although their answers were lost.
   * @throws StoreError `Fenced` where a later attempt has sealed this log.
   */
  async append(writer: Writer, serial: number, records: SegmentRecords): Promise<number> {
    const { header, bytes } = encodeSegment(writer, records);
    for (let next = serial; ; next++) {
      const key = segmentKey(writer, next);
      try {
        await this.store.putSegment(key, bytes, { ifNoneMatch: true });
        this.note(key, header);
        return next;
      } catch (error) {
        if (!isStoreError(error, 'PreconditionFailed')) throw error;
        const standing = await this.readHeader(key);
        if (standing && isSeal(standing)) throw sealed(writer);
      }
    }
  }

  /**
   * End the logs of all earlier attempts of an activity: a worker that stood still and goes on can put nothing on
   * record any more, so it sends nothing, and what its successor counts is all that was ever sent.
   */
  async sealEarlier(writer: Writer): Promise<void> {
    for (let attempt = 1; attempt < writer.attempt; attempt++) {
      const earlier = { ...writer, attempt };
      const keys = await this.store.listKeys(`${activityPrefix(writer)}${attempt}-`);
      const serials = keys.map((key) => Number(/-(\d+)\.jsonl$/.exec(key)?.[1]));
      const last = Math.max(-1, ...serials);
      const standing = last < 0 ? undefined : await this.readHeader(segmentKey(earlier, last));
      if (standing && isSeal(standing)) continue;
      await this.append(earlier, last + 1, { asked: [], released: [], answers: [] }).catch(
        (error: unknown) => {
          // Another attempt, or this one before its answer was lost, did it.
          if (!isStoreError(error, 'Fenced')) throw error;
        },
      );
    }
  }

  /** Store many answers at once, as a batch's shard of results: sealed segments of at most 512 answers. */
  async putMany(writer: Writer, serial: number, answers: SegmentRecords['answers']): Promise<number> {
    let next = serial;
    for (let from = 0; from < answers.length; from += SEGMENT_RECORDS) {
      const slice = answers.slice(from, from + SEGMENT_RECORDS);
      await this.put(writer, next++, { asked: [], released: [], answers: slice });
    }
    return next;
  }

  /** Headers of all segments below `prefix`, in the order of their keys. */
  async headers(prefix: string): Promise<SegmentHeader[]> {
    const keys = (await this.store.listKeys(prefix)).sort();
    const headers = await mapLimit(keys, READS_IN_FLIGHT, (key) => this.readHeader(key));
    return headers.filter((header) => header !== undefined);
  }

  /**
   * Run `ask` for a question unless the same one is being asked here already; then wait for that answer instead.
   * Undefined where the other one gave up, in which case the caller is next.
   */
  async once(
    key: string,
    ask: () => Promise<OracleAnswer | undefined>,
  ): Promise<{ answer: OracleAnswer | undefined; shared: boolean }> {
    const other = this.asking.get(key);
    if (other) {
      const answer = await other.catch(() => undefined);
      return answer ? { answer, shared: true } : this.once(key, ask);
    }
    const own = ask().finally(() => this.asking.delete(key));
    this.asking.set(key, own);
    return { answer: await own, shared: false };
  }

  private async look(): Promise<void> {
    const began = Date.now();
    const fresh = (await this.store.listKeys(ROOT)).filter((key) => !this.known.has(key));
    await mapLimit(fresh, READS_IN_FLIGHT, async (key) => {
      const header = await this.readHeader(key);
      if (header) this.note(key, header);
    });
    this.looked = began;
  }

  private async readHeader(key: string): Promise<SegmentHeader | undefined> {
    const bytes = await this.store.getSegment(key, HEADER_BYTES);
    return bytes && decodeHeader(key, bytes).header;
  }

  private note(segment: string, { answers }: SegmentHeader): void {
    this.known.add(segment);
    for (const [key, offset, length] of answers) {
      if (!this.places.has(short(key))) this.places.set(short(key), { segment, offset, length });
    }
  }

  private forget(gone: [string, Place][]): void {
    for (const [key] of gone) this.places.delete(short(key));
  }
}

/** 128 of 256 bits tell questions apart in memory. */
function short(key: string): string {
  return key.slice(0, 32);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

const caches = new WeakMap<SegmentStore, AnswerCache>();

/** The one cache of this process over `store`. */
export function answerCache(store: SegmentStore): AnswerCache {
  let cache = caches.get(store);
  if (!cache) caches.set(store, (cache = new AnswerCache(store)));
  return cache;
}
