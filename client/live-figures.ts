/** Figures that a running activity reports by heartbeat, newer than what its workflow was signalled. */
import type { WorkflowHandle } from '@temporalio/client';
import type { LoadedDataConverter } from '@temporalio/common';
import { decodeArrayFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import type { RunProgress, StageFigures } from '../workflows/messages.js';
import type { StageName } from '../workflows/inputs.js';
import { standingOf, withStanding, type PendingActivities } from './live-activities.js';

/** What activities put into a heartbeat beside their own cursor. */
interface HeartbeatFigures {
  stage: StageName;
  figures: StageFigures;
}

/** `progress` with the figures of heartbeats merged into its running stages, each field where it is newer. */
export function withLiveFigures(progress: RunProgress, live: HeartbeatFigures[]): RunProgress {
  if (live.length === 0) return progress;
  const stages = progress.stages.map((stage) => {
    const newest = live
      .filter((heartbeat) => heartbeat.stage === stage.name)
      .sort((a, b) => b.figures.step - a.figures.step)[0];
    if (!newest || stage.state !== 'running') return stage;
    if ((stage.figures?.step ?? -1) > newest.figures.step) return stage;
    return { ...stage, figures: { ...stage.figures, ...newest.figures } };
  });
  return { ...progress, stages };
}

/** The heartbeats among a workflow's pending activities that carry figures. */
export async function readHeartbeats(
  pending: PendingActivities | null | undefined,
  converter: LoadedDataConverter,
): Promise<HeartbeatFigures[]> {
  const details = await Promise.all(
    (pending ?? []).map(async (activity) => {
      const payloads = activity.heartbeatDetails?.payloads;
      if (!payloads?.length) return undefined;
      const [first] = await decodeArrayFromPayloads(converter, payloads);
      return isHeartbeatFigures(first) ? first : undefined;
    }),
  );
  return details.filter((detail) => detail !== undefined);
}

/** `progress` with what the server knows of the activities of the stage that `handle` runs; as it is where it has ended meanwhile. */
export async function describeStage(
  progress: RunProgress,
  handle: WorkflowHandle,
  converter: LoadedDataConverter,
): Promise<RunProgress> {
  try {
    const { pendingActivities } = (await handle.describe()).raw;
    const live = withLiveFigures(progress, await readHeartbeats(pendingActivities, converter));
    return withStanding(live, standingOf(pendingActivities, Date.now()));
  } catch {
    return progress;
  }
}

function isHeartbeatFigures(value: unknown): value is HeartbeatFigures {
  if (typeof value !== 'object' || value === null) return false;
  const { stage, figures } = value as { stage?: unknown; figures?: { step?: unknown } };
  return typeof stage === 'string' && typeof figures === 'object' && typeof figures?.step === 'number';
}
