/** Stages by name for the command line: a copy that costs no import of the schemas, checked against them. */
import type { PipelineStage } from '../workflows/inputs.js';

/** In the order of the pipeline; does not compile where one is missing. */
export const STAGE_NAMES = Object.keys({
  dataset: true,
  base: true,
  distill: true,
  sft: true,
  grpo: true,
  evaluate: true,
  report: true,
} satisfies Record<PipelineStage, true>) as PipelineStage[];
