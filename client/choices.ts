/**
 * Values that options of the command line may take, where the schemas that know them are too heavy for `--help`. Each
 * list fails to compile where a name is missing or too many.
 */
import type { Recipe } from '../recipes/schema.js';
import type { PipelineStage } from '../workflows/inputs.js';
import type { JudgeKind } from '../workflows/judge-settings.js';
import type { RunState } from '../workflows/messages.js';

function namesOf<Name extends string>(names: Record<Name, true>): Name[] {
  return Object.keys(names) as Name[];
}

/** In the order of the pipeline. */
export const STAGE_NAMES = namesOf<PipelineStage>({
  dataset: true,
  base: true,
  distill: true,
  sft: true,
  grpo: true,
  evaluate: true,
  report: true,
});

export const RUN_STATES = namesOf<RunState>({
  running: true,
  paused: true,
  'awaiting-approval': true,
  'awaiting-correction': true,
  completed: true,
  failed: true,
  rejected: true,
  cancelled: true,
});

export const ORACLE_PROVIDERS = namesOf<Recipe['oracle']['provider']>({
  local: true,
  openai: true,
  anthropic: true,
  none: true,
});

/** `scalar` is the local one where no endpoint is given. */
export const JUDGES = namesOf<Exclude<JudgeKind, 'local-scalar'>>({
  local: true,
  openai: true,
  vllm: true,
  scalar: true,
  likelihood: true,
  pointwise: true,
  majority: true,
  length: true,
  random: true,
  oracle: true,
});
