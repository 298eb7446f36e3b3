/** How long a server may be what it should not be: waiting, loading, unwell, away. */
import type { RayJob } from './jobs-api.js';

/** How long what may last, in ms. */
export interface ServerDeadlines {
  /** Between two looks. */
  poll: number;
  /** Until the cluster turns out to be too small for the job. */
  start: number;
  /** From the job's start to the first answer of the server: the model is fetched and loaded, graphs are compiled. */
  firstHealth: number;
  /** That a server which its job calls healthy may not answer from here. */
  unwell: number;
  /** That the cluster may be away while the server does not answer either. */
  away: number;
  /** After which the job ends by itself where nobody renews its lease. */
  lease: number;
  /** That requests under way have at the end. */
  drain: number;
}

export const MINUTE = 60_000;
export const SERVER_DEADLINES: ServerDeadlines = {
  poll: 1000,
  start: 10 * MINUTE,
  firstHealth: 60 * MINUTE,
  unwell: 3 * MINUTE,
  away: 10 * MINUTE,
  lease: 10 * MINUTE,
  drain: 2 * MINUTE,
};
/** Where a server is asked, and with which key. */
export interface ServerEndpoint {
  baseUrl: string;
  key: string | undefined;
}

/** What is seen of an attempt without its cluster. */
export interface Sight {
  /** Its job says that it serves. */
  announced: boolean;
  /** It answers here. */
  endpoint?: ServerEndpoint;
}

export type Late = 'away' | 'start' | 'firstHealth' | 'unwell';

/** Since when what is not as it should be. */
export class ServerWatch {
  served = false;
  private readonly began = Date.now();
  private ran = false;
  private awaySince: number | undefined;
  private loadingSince: number | undefined;
  private unwellSince: number | undefined;

  constructor(private readonly deadlines: ServerDeadlines) {}

  saw({ announced, endpoint }: Sight, state: RayJob | 'away' | undefined): void {
    const now = Date.now();
    this.served ||= endpoint !== undefined;
    this.ran ||= state !== 'away' && state?.status === 'RUNNING';
    // A server that answers is none to worry about, whatever its head does.
    this.awaySince = state === 'away' && !endpoint ? (this.awaySince ?? now) : undefined;
    this.unwellSince = announced && !endpoint ? (this.unwellSince ?? now) : undefined;
    this.loadingSince = this.ran && !announced ? (this.loadingSince ?? now) : undefined;
  }

  overdue(): Late | undefined {
    const { away, start, firstHealth, unwell } = this.deadlines;
    const now = Date.now();
    if (this.awaySince !== undefined) return now - this.awaySince > away ? 'away' : undefined;
    if (!this.ran && now - this.began > start) return 'start';
    if (now - (this.loadingSince ?? now) > firstHealth) return 'firstHealth';
    return now - (this.unwellSince ?? now) > unwell ? 'unwell' : undefined;
  }
}
