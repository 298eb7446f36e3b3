import { spawn } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { platform } from 'node:os';
import { resolve } from 'node:path';
import { ClientError, isClientError } from '../errors.js';
import type { StageOutcome } from '../../activities/stage-outcome.js';
import { fetchPage, fetchScores, isEvaluation, scoresText, type ScoredPart } from '../evaluation-results.js';
import type { SharedOptions } from '../options.js';
import { fetchReport, localReport, resultsText, type FetchedReport } from '../results.js';
import { print, remark } from '../output.js';
import { isStageResult } from '../stage-result.js';
import { withRun } from './with-run.js';

export async function run(
  options: SharedOptions & { out?: string; open?: boolean },
  id?: string,
): Promise<void> {
  const { workflowId, ...found } = await findReport(id, options.out);
  if ('results' in found) {
    const { html, results } = found;
    print(options.json, { workflowId, files: { html }, results }, () => scoresText(results, html));
    if (options.open) openInBrowser(html);
    return;
  }
  const { html, json, data } = found.report;
  print(options.json, { workflowId, files: { html, json }, report: data }, () => resultsText(found.report));
  if (options.open) openInBrowser(html);
}

/** The report of a training run, or the page of a benchmark evaluation with its scores. */
type Found = { workflowId: string } & ({ report: FetchedReport } | { html: string; results: ScoredPart[] });

/** From the store; while servers are down, the copy that was fetched when the run ended. */
async function findReport(id: string | undefined, out?: string): Promise<Found> {
  try {
    return await withRun(id, async (handle) => {
      const { workflowId } = handle;
      const { status } = await handle.status();
      if (status === 'RUNNING') {
        throw new ClientError(
          'RunNotReady',
          `${workflowId} is still running; \`rmr1 watch ${workflowId}\` shows it and prints the report at its end.`,
        );
      }
      const result = await handle.result();
      if (isEvaluation(result)) return await evaluationPage(workflowId, result, out);
      if (isStageResult(result)) {
        const { stage } = result;
        throw new ClientError('RunNotReady', `${workflowId} ran the stage ${stage} alone: it has no report.`);
      }
      return { workflowId, report: await fetchReport(result, out) };
    });
  } catch (error) {
    const kept =
      id !== undefined && isClientError(error, 'TemporalUnreachable') ? await localReport(id) : undefined;
    if (id === undefined || !kept) throw error;
    if (out === undefined) return { workflowId: id, report: kept };
    await copyFile(kept.html, out);
    return { workflowId: id, report: { ...kept, html: resolve(out) } };
  }
}

async function evaluationPage(workflowId: string, outcome: StageOutcome, out?: string): Promise<Found> {
  const html = await fetchPage(workflowId, outcome, out);
  if (html === undefined) {
    throw new ClientError(
      'RunNotReady',
      `${workflowId} has no report; \`rmr1 score --report FILE\` makes one of the verdict file that \`rmr1 evaluate\` wrote.`,
    );
  }
  return { workflowId, html, results: await fetchScores(workflowId, outcome) };
}

function openInBrowser(file: string): void {
  const command = platform() === 'darwin' ? 'open' : platform() === 'win32' ? 'explorer' : 'xdg-open';
  const child = spawn(command, [file], { stdio: 'ignore', detached: true });
  child.on('error', () => remark(`No program to open it was found (${command}); open ${file} yourself.`));
  child.unref();
}
