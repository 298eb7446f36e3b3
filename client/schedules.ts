/** Schedules of retrainings: one Temporal schedule each, named by the user. */
import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  type Client,
} from '@temporalio/client';
import { describeIssues } from '../recipes/describe-issues.js';
import { temporalConfig } from '../temporal.config.js';
import { retrainInputSchema, type RetrainInput } from '../workflows/retrain-messages.js';
import { ClientError } from './errors.js';

/** Missed times that are made up for after an outage; older ones are skipped, so that a week off is no week of training. */
const CATCH_UP = '2 days';

export interface ScheduleSpec {
  /** Cron line in UTC, such as `0 3 * * *`; or… */
  cron?: string;
  /** …an interval, such as `1 day` or `6h`. */
  every?: string;
}

export interface ScheduleSummary {
  id: string;
  paused: boolean;
  note?: string;
  nextAt: string[];
  recentRuns: string[];
}

export class Schedules {
  constructor(private readonly client: Client) {}

  /** @throws ClientError `InvalidInput` naming every wrong field, `Usage` where the id is taken. */
  async create(id: string, spec: ScheduleSpec, input: RetrainInput): Promise<void> {
    const parsed = retrainInputSchema.safeParse(input);
    if (!parsed.success)
      throw new ClientError('InvalidInput', `The input is not valid: ${describeIssues(parsed.error)}`);
    if ((spec.cron === undefined) === (spec.every === undefined))
      throw new ClientError('Usage', "Give either --cron '0 3 * * *' or --every 1d.");
    try {
      await this.client.schedule.create({
        scheduleId: id,
        spec: spec.cron
          ? { cronExpressions: [spec.cron] }
          : { intervals: [{ every: spec.every as '1 day' }] },
        action: {
          type: 'startWorkflow',
          workflowType: 'retrain',
          workflowId: `retrain-${id}`,
          taskQueue: temporalConfig.taskQueues.orchestration,
          args: [parsed.data],
          staticSummary: `retrain ${parsed.data.alias} with ${parsed.data.recipe}`.slice(0, 200),
        },
        // Two retrainings at once would pay for the same data twice.
        policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: CATCH_UP, pauseOnFailure: true },
        memo: { alias: parsed.data.alias, recipe: parsed.data.recipe },
      });
    } catch (error) {
      if (error instanceof ScheduleAlreadyRunning)
        throw new ClientError(
          'Usage',
          `There is a schedule '${id}' already; delete it first, or choose another name.`,
        );
      if (error instanceof TypeError || /invalid|parse/i.test((error as Error).message))
        throw new ClientError('Usage', `The times cannot be used: ${(error as Error).message}`);
      throw error;
    }
  }

  async list(): Promise<ScheduleSummary[]> {
    const found: ScheduleSummary[] = [];
    for await (const { scheduleId, state, info, action } of this.client.schedule.list()) {
      if (action?.workflowType !== 'retrain') continue;
      found.push({
        id: scheduleId,
        paused: state.paused,
        ...(state.note ? { note: state.note } : {}),
        nextAt: info.nextActionTimes.slice(0, 3).map((time) => time.toISOString()),
        recentRuns: info.recentActions.map(({ action: { workflow } }) => workflow.workflowId),
      });
    }
    return found;
  }

  trigger(id: string): Promise<void> {
    return this.known(id, () => this.client.schedule.getHandle(id).trigger());
  }

  pause(id: string, note?: string): Promise<void> {
    return this.known(id, () => this.client.schedule.getHandle(id).pause(note));
  }

  resume(id: string, note?: string): Promise<void> {
    return this.known(id, () => this.client.schedule.getHandle(id).unpause(note));
  }

  /** Run what would have run between two times, one after the other. */
  backfill(id: string, from: Date, to: Date): Promise<void> {
    return this.known(id, () =>
      this.client.schedule
        .getHandle(id)
        .backfill({ start: from, end: to, overlap: ScheduleOverlapPolicy.BUFFER_ALL }),
    );
  }

  delete(id: string): Promise<void> {
    return this.known(id, () => this.client.schedule.getHandle(id).delete());
  }

  private async known<T>(id: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
      throw new ClientError('Usage', `There is no schedule '${id}'. \`rmr1 schedule list\` shows them.`);
    }
  }
}
