import { userInfo } from 'node:os';
import type { RetrainInput } from '../../workflows/retrain-messages.js';
import { ClientError } from '../errors.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { parseOverrides } from '../overrides.js';
import { Schedules, type ScheduleSummary } from '../schedules.js';
import { watchedBy } from '../watched.js';
import { withClient } from './with-run.js';

export interface ScheduleOptions extends SharedOptions {
  cron?: string;
  every?: string;
  watch?: string;
  recipe: string;
  oracle?: 'local' | 'openai';
  oracleModel?: string;
  budget?: number;
  minNewPairs?: number;
  alias?: string;
  startFrom?: 'base' | 'champion';
  promote?: 'significant' | 'ask' | 'never';
  set?: string[];
  reason?: string;
  from?: string;
  to?: string;
}

type Act = (schedules: Schedules, id: string, options: ScheduleOptions) => Promise<void>;

const ACTIONS: Record<string, { act: Act; said: string }> = {
  create: {
    act: (schedules, id, options) => schedules.create(id, options, inputOf(options)),
    said: 'is set up',
  },
  trigger: { act: (schedules, id) => schedules.trigger(id), said: 'runs now' },
  pause: { act: (schedules, id, { reason }) => schedules.pause(id, reason), said: 'is paused' },
  resume: { act: (schedules, id, { reason }) => schedules.resume(id, reason), said: 'goes on' },
  backfill: {
    act: (schedules, id, { from, to }) => schedules.backfill(id, time('--from', from), time('--to', to)),
    said: 'makes up for what was missed',
  },
  delete: { act: (schedules, id) => schedules.delete(id), said: 'is deleted; runs under way go on' },
};

export async function run(options: ScheduleOptions, action = 'list', id?: string): Promise<void> {
  if (action === 'list') {
    const found = await withClient((client) => new Schedules(client.temporal).list());
    return print(options.json, found, () => listText(found));
  }
  const chosen = ACTIONS[action];
  if (!chosen)
    throw new ClientError(
      'Usage',
      `Unknown action '${action}'. Actions: list, ${Object.keys(ACTIONS).join(', ')}.`,
    );
  if (id === undefined) throw new ClientError('Usage', `Name the schedule: rmr1 schedule ${action} NAME.`);
  await withClient((client) => chosen.act(new Schedules(client.temporal), id, options));
  print(options.json, { schedule: id, action }, () => `Schedule ${id} ${chosen.said}.`);
}

function inputOf(options: ScheduleOptions): RetrainInput {
  const { oracle, oracleModel, budget, watch, recipe, minNewPairs, alias, startFrom, promote, set } = options;
  return {
    recipe,
    startedBy: userInfo().username,
    overrides: parseOverrides(set),
    oracle: {
      ...(oracle ? { provider: oracle } : {}),
      ...(oracleModel ? { model: oracleModel } : {}),
    },
    ...(watch === undefined ? {} : { watch: watchedBy(watch) }),
    ...(minNewPairs === undefined ? {} : { minNewPairs }),
    ...(alias === undefined ? {} : { alias }),
    ...(startFrom === undefined ? {} : { from: startFrom }),
    ...(promote === undefined ? {} : { promote }),
    ...(budget === undefined ? {} : { budget: { usd: budget } }),
  };
}

function time(option: string, value: string | undefined): Date {
  const parsed = new Date(value ?? Number.NaN);
  if (Number.isNaN(parsed.getTime()))
    throw new ClientError('Usage', `${option} must be a time such as 2026-11-20T00:00:00Z.`);
  return parsed;
}

function listText(schedules: readonly ScheduleSummary[]): string {
  if (schedules.length === 0) return 'No schedules. Set one up with `rmr1 schedule create NAME --every 1d`.';
  return schedules
    .map(({ id, paused, note, nextAt, recentRuns }) =>
      [
        `${id}  ${paused ? `paused${note ? ` (${note})` : ''}` : `next ${nextAt[0] ?? 'never'}`}`,
        ...recentRuns.slice(-3).map((workflowId) => `  ran ${workflowId}`),
      ].join('\n'),
    )
    .join('\n');
}
