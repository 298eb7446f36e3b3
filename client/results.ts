/** A finished run: fetch its report and show what it found. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { ArtifactStore } from '../activities/artifacts/store.js';
import type { ReportData } from '../activities/evaluation/report/report-data.js';
import { terminalTable } from '../activities/evaluation/report/terminal.js';
import { homeDirectory } from '../infra/environment.js';
import type { RunResult } from '../workflows/messages.js';
import { ClientError } from './errors.js';
import { formatDuration, formatUsd } from './progress/format.js';
import { withStore } from './store.js';

const KEPT_MODEL_BYTES = 256 * 1024 ** 2;

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
    await keepModel(store, result);
    return { html, json, data: await readReport(json) };
  });
}

/** The report as it was fetched when the run ended, for a time when its servers are down. */
export async function localReport(workflowId: string): Promise<FetchedReport | undefined> {
  const [html, json] = ['report.html', 'report.json'].map((name) => join(runDirectory(workflowId), name));
  if (!html || !json || !existsSync(html) || !existsSync(json)) return undefined;
  return { html, json, data: await readReport(json) };
}

/** Where the run's final model is kept, once it was fetched. */
export function modelDirectory(workflowId: string): string {
  return join(runDirectory(workflowId), 'model');
}

/** A small judge stays usable without its servers; a large one is fetched when somebody asks for it. */
async function keepModel(store: ArtifactStore, { model, workflowId }: RunResult): Promise<void> {
  if (!model) return;
  const { files } = await store.readListing(model);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const dir = modelDirectory(workflowId);
  if (bytes > KEPT_MODEL_BYTES || existsSync(dir)) return;
  await store.fetchDirectory(model, `${dir}.part`);
  await rename(`${dir}.part`, dir);
}

async function readReport(json: string): Promise<ReportData> {
  return JSON.parse(await readFile(json, 'utf8')) as ReportData;
}

/** Results table, what it took, and where the report is. */
export function resultsText({ data, html }: FetchedReport): string {
  const made = data.stages.filter(({ reused }) => !reused);
  const seconds = made.reduce((sum, stage) => sum + stage.seconds, 0);
  const usd = made.reduce((sum, stage) => sum + stage.costUsd, 0);
  const reused = data.stages.length - made.length;
  const took = [
    `${formatDuration(seconds)}, pauses included`,
    `${formatUsd(usd)} for the oracle`,
    ...(reused > 0 ? [`${reused} stages made before`] : []),
  ];
  return `${terminalTable(data)}\n\nTook:   ${took.join(', ')}\nReport: ${html}\n`;
}
