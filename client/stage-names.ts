/** Stages by name for the command line: a copy that costs no import of the schemas, checked against them. */
import type { PipelineStage } from '../workflows/inputs.js';

export const STAGE_NAMES = [
  'dataset',
  'base',
  'distill',
  'sft',
  'grpo',
  'evaluate',
  'report',
] as const satisfies readonly PipelineStage[];

/** Fails to compile where a stage is missing above. */
export type Missing = Exclude<PipelineStage, (typeof STAGE_NAMES)[number]>;
export const COMPLETE: [Missing] extends [never] ? true : never = true;
