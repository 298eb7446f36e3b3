/** A finished run: fetch its report and show what it found. */
import { mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { ReportData } from '../activities/evaluation/report/report-data.js';
import { terminalTable } from '../activities/evaluation/report/terminal.js';
import { homeDirectory } from '../infra/environment.js';
import type { RunResult } from '../workflows/messages.js';
import { ClientError } from './errors.js';
import { withStore } from './store.js';

export interface FetchedReport {
  html: string;
  json: string;
  data: ReportData;
}

/** Where a run's files are kept on this machine. */
export function runDirectory(workflowId: string): string {
  return join(homeDirectory(), 'runs', workflowId.replaceAll(/[^A-Za-z0-9._-]/g, '_'));
}

/**
 * Download the report, verified; `out` names the HTML file, the JSON always goes to the run's directory.
 * @throws ClientError `RunNotReady` for a run without one; StoreError.
 */
export async function fetchReport(result: RunResult, out?: string): Promise<FetchedReport> {
  const { report, reportJson, workflowId } = result;
  if (!report || !reportJson) {
    throw new ClientError('RunNotReady', `${workflowId} has no report: it ended as ${result.state}.`);
  }
  const html = out === undefined ? join(runDirectory(workflowId), 'report.html') : resolve(out);
  const json = join(runDirectory(workflowId), 'report.json');
  return withStore(async (store) => {
    await mkdir(dirname(html), { recursive: true });
    await mkdir(dirname(json), { recursive: true });
    await store.getFile(report, html);
    await store.getFile(reportJson, json);
    const data = JSON.parse((await store.getBytes(reportJson)).toString('utf8')) as ReportData;
    return { html, json, data };
  });
}

/** Results table, and where the report is. */
export function resultsText({ data, html }: FetchedReport): string {
  return `${terminalTable(data)}\n\nReport: ${html}\n`;
}
