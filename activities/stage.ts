/** Finding a stage that any run has finished already, and declaring one finished. */
import { activityInfo } from '@temporalio/activity';
import type { StageName } from '../workflows/inputs.js';
import { codeCommit } from './code-commit.js';
import type { ArtifactRef, Manifest } from './artifacts/ref.js';
import { stageKey } from './artifacts/stage-key.js';
import type { ArtifactStore } from './artifacts/store.js';
import type { StageContext, StageOutcome } from './stage-outcome.js';

/** Everything that determines what a stage produces. */
export interface StageIdentity {
  stage: StageName;
  inputs: Record<string, ArtifactRef>;
  settings: unknown;
  versions: Record<string, string>;
  seed: number;
}

/** The outcome of a stage that was finished before, by this or any other run. */
export async function findStage(
  store: ArtifactStore,
  identity: StageIdentity,
): Promise<StageOutcome | undefined> {
  const manifest = await store.readManifest(identity.stage, stageKey(identity));
  return manifest && toOutcome(manifest, true);
}

/** Publish the manifest, last and once; where another run was first, its outputs stand. */
export async function finishStage(
  store: ArtifactStore,
  identity: StageIdentity,
  context: StageContext,
  result: Pick<StageOutcome, 'outputs' | 'metrics' | 'cost'>,
): Promise<StageOutcome> {
  const { status, manifest } = await store.publishManifest({
    key: stageKey(identity),
    stage: identity.stage,
    outputs: result.outputs,
    parents: identity.inputs,
    settings: identity.settings,
    seed: identity.seed,
    metrics: result.metrics,
    cost: result.cost,
    codeCommit: codeCommit(),
    startedBy: context.startedBy,
    workflowId: context.runId,
    attempt: activityInfo().attempt,
    createdAt: new Date().toISOString(),
  });
  return toOutcome(manifest, status === 'exists');
}

function toOutcome(manifest: Manifest, reused: boolean): StageOutcome {
  const { stage, key, outputs, parents, metrics, cost } = manifest;
  return { stage: stage as StageName, key, reused, outputs, parents, metrics, cost };
}
