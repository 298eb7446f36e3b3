import { userInfo } from 'node:os';
import { promote, readChampion, rollback, type Champion } from '../../activities/registry/champion.js';
import { describeCandidate } from '../../activities/registry/index.js';
import { ClientError } from '../errors.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { withStore } from '../store.js';
import { withRun } from './with-run.js';

export interface ChampionOptions extends SharedOptions {
  alias: string;
  reason?: string;
  to?: number;
}

export async function run(options: ChampionOptions, action = 'show', runId?: string): Promise<void> {
  if (action === 'show') return show(options);
  if (action === 'promote') return promoteRun(options, runId);
  if (action === 'rollback') return goBack(options);
  throw new ClientError('Usage', `Unknown action '${action}'. Actions: show, promote, rollback.`);
}

async function show({ alias, json }: ChampionOptions): Promise<void> {
  const { etag: _, ...champion } = await withStore((store) => readChampion(store, alias));
  print(json, champion, () => championText(champion));
}

async function promoteRun({ alias, json, reason }: ChampionOptions, runId?: string): Promise<void> {
  if (runId === undefined) throw new ClientError('Usage', 'Name the run: rmr1 champion promote RUN.');
  const result = await withRun(runId, (handle) => handle.result());
  const { status, version } = await withStore(async (store) => {
    const { candidate } = await describeCandidate(store, { run: result });
    return promote(store, alias, candidate, {
      by: userInfo().username,
      reason: reason ?? 'Promoted by hand.',
    });
  });
  if (status === 'superseded')
    throw new ClientError(
      'UpdateRefused',
      `${runId} was '${alias}' before and has been replaced; \`rmr1 champion rollback --to N\` brings a version back.`,
    );
  print(json, { alias, status, version }, () => `${runId} is '${alias}', version ${version}.`);
}

async function goBack({ alias, json, reason, to }: ChampionOptions): Promise<void> {
  const entry = await withStore((store) =>
    rollback(store, alias, { by: userInfo().username, reason: reason ?? 'Rolled back by hand.' }, to),
  );
  print(
    json,
    { alias, version: entry.version, workflowId: entry.workflowId },
    () => `'${alias}' is the judge of ${entry.workflowId} again, as version ${entry.version}.`,
  );
}

export function championText({ alias, current, history }: Champion): string {
  if (!current) return `'${alias}' has no judge yet. Promote one with \`rmr1 champion promote RUN\`.`;
  const lines = history
    .toReversed()
    .map(
      ({ version, action, at, by, workflowId, reason }) =>
        `  ${String(version).padStart(3)}  ${at.slice(0, 16)}  ${action}  ${workflowId}  by ${by}: ${reason}`,
    );
  return [
    `${alias}: ${current.workflowId}`,
    `model ${current.model.sha256.slice(0, 12)}  ${current.model.uri}`,
    '',
    ...lines,
  ].join('\n');
}
