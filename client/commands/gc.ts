import { ClientError } from '../errors.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { formatBytes } from '../progress/format.js';
import { temporalConfig } from '../../temporal.config.js';
import { withStore } from '../store.js';
import { withClient } from './with-run.js';

export interface GcOptions extends SharedOptions {
  dryRun?: boolean;
  force?: boolean;
  finishedDays: number;
  abandonedDays: number;
  unreachedDays: number;
}

export async function run(options: GcOptions): Promise<void> {
  const { dryRun, force, finishedDays, abandonedDays, unreachedDays } = options;
  if (!dryRun && !force) await requireQuiet();
  const { plan, deleted, aborted } = await withStore(async (store) => {
    const plan = await store.planCleanUp({
      finishedCheckpoints: finishedDays,
      abandonedCheckpoints: abandonedDays,
      unreachedObjects: unreachedDays,
    });
    if (dryRun) return { plan, deleted: 0, aborted: 0 };
    return { plan, deleted: await store.carryOut(plan), aborted: await store.abortDanglingUploads() };
  });
  const sums = new Map<string, { objects: number; bytes: number }>();
  for (const { reason, bytes } of plan) {
    const sum = sums.get(reason) ?? { objects: 0, bytes: 0 };
    sums.set(reason, { objects: sum.objects + 1, bytes: sum.bytes + bytes });
  }
  const reasons = Object.fromEntries(sums);
  print(options.json, { dryRun: dryRun === true, deleted, aborted, reasons }, () =>
    [
      ...[...sums].map(
        ([reason, { objects, bytes }]) => `${reason}: ${objects} objects, ${formatBytes(bytes)}`,
      ),
      plan.length === 0 ? 'Nothing to delete.' : '',
      dryRun ? 'Nothing was deleted (--dry-run).' : `${deleted} objects deleted, ${aborted} uploads aborted.`,
    ]
      .filter(Boolean)
      .join('\n'),
  );
}

/** A run under way may be about to name an object that nothing names yet. */
async function requireQuiet(): Promise<void> {
  const query = `ExecutionStatus = 'Running' AND TaskQueue = '${temporalConfig.taskQueues.orchestration}'`;
  await withClient(async ({ temporal }) => {
    for await (const { workflowId } of temporal.workflow.list({ query, pageSize: 1 }))
      throw new ClientError(
        'Usage',
        `${workflowId} is under way. Wait for it, or give --force: what is younger than the given days is kept either way.`,
      );
  });
}
