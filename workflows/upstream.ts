/** What a stage that is started alone lacks: made, or found made already, by the stages before it. */
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import type { RunControl } from './run-control.js';
import {
  fineTune,
  judgedSets,
  output,
  prepareDataset,
  reinforce,
  startsWithStudent,
  warmUpBase,
} from './steps.js';
import { distillTraces } from './distill-traces.js';

export type Artifacts = Record<string, ArtifactRef>;

/** Complete `given` to the artefacts named in `needed`, by running the pipeline up to, but without, `stage`. */
export async function upstream(
  run: RunControl,
  stage: 'distill' | 'sft' | 'grpo' | 'reward' | 'evaluate',
  given: Artifacts,
  needed: readonly string[],
): Promise<Artifacts> {
  if (needed.every((name) => given[name])) return given;
  const dataset = await prepareDataset(run);
  if (stage === 'distill' && !startsWithStudent(run)) return { pairs: output(dataset, 'train'), ...given };
  const base = await warmUpBase(run, dataset);
  if (stage === 'distill')
    return { pairs: output(dataset, 'train'), student: output(base, 'model'), ...given };
  if (stage === 'reward') return { model: output(base, 'model'), pairs: output(dataset, 'train'), ...given };
  const cold = run.recipe.coldStart && stage !== 'sft';
  const traces = cold ? undefined : await distillTraces(run, dataset, base);
  if (stage === 'sft') return { model: output(base, 'model'), traces: output(traces!, 'traces'), ...given };
  const sft = traces ? await fineTune(run, base, traces) : base;
  if (stage === 'grpo') return { model: output(sft, 'model'), pairs: output(dataset, 'train'), ...given };
  const grpo = await reinforce(run, sft, dataset);
  return {
    ...judgedSets(run, dataset),
    base: output(base, 'model'),
    sft: output(sft, 'model'),
    grpo: output(grpo, 'model'),
    ...given,
  };
}

/** An artefact that `upstream` has seen to. */
export function required(artifacts: Artifacts, name: string): ArtifactRef {
  const ref = artifacts[name];
  if (!ref) throw new Error(`Artefact '${name}' is missing.`);
  return ref;
}
