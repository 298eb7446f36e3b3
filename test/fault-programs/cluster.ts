/**
 * Workers and a Temporal server as a fault program sees them: processes that come to events (a request to the store, a
 * question, a training step, the report of a result) and may die, stand still or be cut off there; activities that are
 * given to another process after that, as often as their retry policy allows.
 */
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { ArtifactStore } from '../../activities/artifacts/store.js';
import { CallSlots } from '../../activities/oracle/call-slots.js';
import { NON_RETRYABLE } from '../../workflows/errors.js';
import type { MemoryS3, RequestFate } from './memory-s3.js';
import type { Fault, FaultProgram } from './program.js';

/** As in `workflows/activities.ts`, the least of them. */
const MOST_ATTEMPTS = 8;
const HEARTBEAT_MS = 30_000;

/** What a dead process does: nothing more. */
class Died extends Error {}

/** One worker process. */
export class WorkerProcess {
  readonly store: ArtifactStore;
  readonly slots = new CallSlots(1);
  dead = false;
  trainerKilled = false;
  /** Stands still until it resolves. */
  private frozen: Promise<void> | undefined;
  private thaw: () => void = () => undefined;
  /** Tells the server's side that this process is not heard of any more. */
  lost: () => void = () => undefined;
  /** A zombie's events until it learns that it is one. */
  borrowed: number | undefined;
  environment: MockActivityEnvironment | undefined;

  constructor(private readonly cluster: Cluster) {
    this.store = cluster.s3.store(async (command, key) => {
      const fate = await this.come(`${command} ${key}`);
      const done = () => {
        if (fate === 'dies-after') this.die();
      };
      if (fate === 'dies-after') return { fate: 'loses' as const, done };
      return { fate };
    }, this);
  }

  /** Come to an event; what is said about it happens here. */
  async come(event: string): Promise<RequestFate | 'dies-after'> {
    if (this.frozen) await this.frozen;
    if (this.dead) throw new Died(event);
    if (this.borrowed !== undefined) {
      // The server answers the next heartbeat of an attempt that it has given up.
      if (this.borrowed-- === 0) this.environment?.cancel('NOT_FOUND');
      return 'works';
    }
    const fault = await this.cluster.next(event);
    switch (fault?.kind) {
      case 'kill-worker':
        if (fault.when === 'after' && !/^(step|report)$/.test(event)) return 'dies-after';
        this.die();
        throw new Died(event);
      case 'kill-trainer':
        this.trainerKilled = true;
        return 'works';
      case 'zombie':
        this.freeze();
        this.cluster.zombies.push({ process: this, ...fault });
        this.lost();
        await this.frozen;
        return 'works';
      case 'store-away':
        return fault.when === 'before' ? 'fails' : 'loses';
      case 'answer-lost':
        return 'repeats';
      default:
        return 'works';
    }
  }

  die(): void {
    this.dead = true;
    this.lost();
  }

  /** Go on after standing still, for `burst` events without knowing, then with the knowledge, to the end. */
  async wake(burst: number): Promise<void> {
    this.borrowed = burst;
    this.thaw();
    await this.ended;
  }

  /** The end of what this process was doing. */
  ended: Promise<unknown> = Promise.resolve();

  private freeze(): void {
    this.frozen = new Promise((resolve) => {
      this.thaw = () => {
        this.frozen = undefined;
        resolve();
      };
    });
  }
}

export class Cluster {
  /** Events so far, of processes that the server counts on. */
  events = 0;
  /** Faults that struck. */
  struck: string[] = [];
  readonly zombies: { process: WorkerProcess; wakeAfter: number; burst: number }[] = [];
  private readonly faults: FaultProgram['faults'];
  private process: WorkerProcess | undefined;
  private activities = 0;
  private reportLost = false;

  constructor(
    readonly s3: MemoryS3,
    { faults }: Pick<FaultProgram, 'faults'>,
  ) {
    this.faults = [...faults].sort((a, b) => a.at - b.at);
  }

  /** The fault that strikes at the next event, if any; zombies whose time has come go first. */
  async next(event: string): Promise<Fault | undefined> {
    this.events += 1;
    for (const zombie of this.zombies.filter((waiting) => waiting.wakeAfter-- <= 0)) {
      this.zombies.splice(this.zombies.indexOf(zombie), 1);
      await zombie.process.wake(zombie.burst);
    }
    if (this.faults[0] === undefined || this.faults[0].at > this.events) return undefined;
    const { fault } = this.faults.shift()!;
    this.struck.push(`${this.events}: ${fault.kind} at ${event}`);
    if (fault.kind === 'temporal-away') this.reportLost = true;
    return fault;
  }

  /**
   * Run one activity to its result, in as many attempts as that takes.
   * @throws Error where no retry mends it: none of the faults of a program is a person's to mend.
   */
  async activity<T>(run: (process: WorkerProcess) => Promise<T>): Promise<T> {
    const activityId = String(++this.activities);
    for (let attempt = 1; ; attempt++) {
      const process = this.worker();
      const environment = new MockActivityEnvironment(
        {
          ...{ attempt, activityId, heartbeatTimeoutMs: HEARTBEAT_MS },
          workflowExecution: { workflowId: 'run', runId: 'run' },
        },
        { logger: new DefaultLogger('ERROR') },
      );
      process.environment = environment;
      process.environment = environment;
      const silent = new Promise<'silent'>((resolve) => (process.lost = () => resolve('silent')));
      const end = environment
        .run(() => run(process))
        .then(async (result) => {
          // The report of the result is an event as well.
          await process.come('report');
          if (process.dead) throw new Died('report');
          return { result: result as T };
        })
        .catch((error: unknown) => ({ error }));
      process.ended = end;
      const outcome = await Promise.race([end, silent]);
      if (outcome === 'silent' && process.dead) await end;
      const lost = this.reportLost;
      this.reportLost = false;
      if (outcome !== 'silent' && 'result' in outcome && !lost) return outcome.result;
      if (outcome !== 'silent' && 'error' in outcome && !(outcome.error instanceof Died)) {
        const { type, message, stack } = outcome.error as Error & { type?: string };
        if (type === undefined) throw new Error(`unexpected failure: ${stack}`);
        if (NON_RETRYABLE.includes(type)) throw new Error(`a person would have to mend ${type}: ${message}`);
      }
      if (attempt >= MOST_ATTEMPTS) throw new Error(`activity ${activityId} failed ${attempt} times`);
    }
  }

  /** Wake what still stands still when everything is over. */
  async settle(): Promise<void> {
    for (const { process, burst } of this.zombies.splice(0)) await process.wake(burst);
  }

  /** The worker that is there; a new one where it is dead or not heard of. */
  private worker(): WorkerProcess {
    const gone = !this.process || this.process.dead || this.process.borrowed !== undefined;
    const still = this.zombies.some(({ process }) => process === this.process);
    if (gone || still) this.process = new WorkerProcess(this);
    this.process!.trainerKilled = false;
    return this.process!;
  }
}
