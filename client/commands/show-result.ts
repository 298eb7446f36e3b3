import type { RunResult } from '../../workflows/messages.js';
import { isEvaluation, showScores } from '../evaluation-results.js';
import { fetchReport, resultsText } from '../results.js';
import { isStageResult, stageText } from '../stage-result.js';

/**
 * Fetch what a finished run made and print it, for programs as one JSON line after the progress lines: the report of a
 * training run, the scores of the benchmark evaluation called `workflowId`.
 */
export async function showResult(result: RunResult, json: boolean, workflowId: string): Promise<void> {
  if (isEvaluation(result)) return showScores(workflowId, result, json);
  if (isStageResult(result)) {
    process.stdout.write(`${json ? JSON.stringify({ ...result, workflowId }) : stageText(result)}\n`);
    return;
  }
  const report = await fetchReport(result);
  if (json)
    process.stdout.write(
      `${JSON.stringify({ ...result, files: { html: report.html, json: report.json } })}\n`,
    );
  else process.stdout.write(`\n${resultsText(report)}`);
}
