import { spawn } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { platform } from 'node:os';
import { resolve } from 'node:path';
import { ClientError, isClientError } from '../errors.js';
import type { SharedOptions } from '../options.js';
import { fetchReport, localReport, resultsText, type FetchedReport } from '../results.js';
import { print, remark } from '../output.js';
import { withRun } from './with-run.js';

export async function run(
  options: SharedOptions & { out?: string; open?: boolean },
  id?: string,
): Promise<void> {
  const { workflowId, report } = await findReport(id, options.out);
  const { html, json, data } = report;
  print(options.json, { workflowId, files: { html, json }, report: data }, () => resultsText(report));
  if (options.open) openInBrowser(html);
}

/** From the store; while servers are down, the copy that was fetched when the run ended. */
async function findReport(
  id: string | undefined,
  out?: string,
): Promise<{ workflowId: string; report: FetchedReport }> {
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
      return { workflowId, report: await fetchReport(await handle.result(), out) };
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

function openInBrowser(file: string): void {
  const command = platform() === 'darwin' ? 'open' : platform() === 'win32' ? 'explorer' : 'xdg-open';
  const child = spawn(command, [file], { stdio: 'ignore', detached: true });
  child.on('error', () => remark(`No program to open it was found (${command}); open ${file} yourself.`));
  child.unref();
}
