import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import type { RunLineage } from '../../workflows/messages.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { formatBytes } from '../progress/format.js';
import { withRun } from './with-run.js';

export function run(options: SharedOptions, id?: string): Promise<void> {
  return withRun(id, async (handle) => {
    const lineage = await handle.lineage();
    print(options.json, lineage, () => lineageText(lineage));
  });
}

/** Stages in order with what they made; each input names the stage that made it. */
export function lineageText({ workflowId, recipe, stages }: RunLineage): string {
  const producer = new Map<string, string>();
  for (const { stage, outputs } of stages) {
    for (const [name, ref] of Object.entries(outputs)) producer.set(ref.sha256, `${stage}.${name}`);
  }
  const lines = [workflowId];
  if (recipe) lines.push(`├─ recipe  ${describe(recipe)}`);
  for (const [index, { stage, key, outputs, parents }] of stages.entries()) {
    const last = index === stages.length - 1;
    const stem = last ? '   ' : '│  ';
    lines.push(`${last ? '└─' : '├─'} ${stage}  key ${key.slice(0, 12)}`);
    for (const [role, ref] of Object.entries(parents)) {
      lines.push(`${stem}  ← ${role}  ${producer.get(ref.sha256) ?? describe(ref)}`);
    }
    for (const [name, ref] of Object.entries(outputs)) lines.push(`${stem}  → ${name}  ${describe(ref)}`);
  }
  return [...lines, '', 'Full hashes and addresses: --json'].join('\n');
}

function describe({ kind, sha256, bytes }: ArtifactRef): string {
  return `${kind} ${sha256.slice(0, 12)} ${formatBytes(bytes)}`;
}
