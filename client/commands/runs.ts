import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { formatDuration, formatShare, formatTable, formatUsd } from '../progress/format.js';
import type { RunSummary } from '../reward-model-client.js';
import { withClient } from './with-run.js';

export function run(options: SharedOptions & { state?: string; limit: number }): Promise<void> {
  return withClient(async (client) => {
    const query = options.state ? `RunState = '${options.state}'` : undefined;
    const runs = await client.runs({ limit: options.limit, ...(query ? { query } : {}) });
    print(options.json, runs, () => table(runs, options.state, Date.now()));
  });
}

/** Runs as a table. @param now milliseconds since the epoch, for the time of open runs. */
export function table(runs: RunSummary[], state: string | undefined, now: number): string {
  if (runs.length === 0) {
    return state
      ? `No run is ${state}.`
      : 'No runs yet. Start one with `rmr1 quickstart` or `rmr1 run --data FILE`.';
  }
  const head = ['run', 'recipe', 'state', 'stage', 'accuracy', 'cost', 'started', 'time'];
  const rows = runs.map((summary) => [
    summary.workflowId,
    summary.recipe ?? '',
    stateOf(summary),
    summary.stage ?? '',
    summary.accuracy === undefined ? '' : formatShare(summary.accuracy),
    summary.costUsd === undefined ? '' : formatUsd(summary.costUsd),
    summary.startedAt.toISOString().slice(0, 16).replace('T', ' '),
    formatDuration(((summary.closedAt?.getTime() ?? now) - summary.startedAt.getTime()) / 1000),
  ]);
  return formatTable(head, rows, [4, 5, 7]);
}

/** The server's word where it contradicts the attribute: a terminated run could not set its own. */
function stateOf({ status, state }: RunSummary): string {
  if (status === 'RUNNING' || status === 'COMPLETED') return state ?? status.toLowerCase();
  return status.toLowerCase().replaceAll('_', ' ');
}
