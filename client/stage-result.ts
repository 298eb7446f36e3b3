/** What a stage that was started alone has made. */
import type { StageOutcome } from '../activities/stage-outcome.js';

/** Whether a run's result is that of one stage and not of the whole pipeline. */
export function isStageResult(result: unknown): result is StageOutcome {
  return typeof result === 'object' && result !== null && 'stage' in result && 'outputs' in result;
}

/** Its figures, and where its artefacts are. */
export function stageText({ stage, reused, metrics, outputs }: StageOutcome): string {
  const figures = Object.entries(metrics).map(
    ([name, value]) => `${name} ${Number.isInteger(value) ? value : Number(value.toPrecision(4))}`,
  );
  return [
    `${stage}: ${reused ? 'found made already' : 'done'}${figures.length > 0 ? ` (${figures.join(' · ')})` : ''}`,
    ...Object.entries(outputs).map(([name, { uri }]) => `${name.padEnd(10)}${uri}`),
  ].join('\n');
}
