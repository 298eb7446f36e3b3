import { spawn } from 'node:child_process';
import { platform } from 'node:os';
import { ClientError } from '../errors.js';
import type { SharedOptions } from '../options.js';
import { remark } from '../output.js';
import { fetchReport, resultsText } from '../results.js';
import { print } from '../output.js';
import { withRun } from './with-run.js';

export function run(options: SharedOptions & { out?: string; open?: boolean }, id?: string): Promise<void> {
  return withRun(id, async (handle) => {
    const { status } = await handle.status();
    if (status === 'RUNNING') {
      throw new ClientError(
        'RunNotReady',
        `${handle.workflowId} is still running; \`rmr1 watch ${handle.workflowId}\` shows it and prints the report at its end.`,
      );
    }
    const result = await handle.result();
    const report = await fetchReport(result, options.out);
    const { html, json, data } = report;
    print(options.json, { workflowId: handle.workflowId, files: { html, json }, report: data }, () =>
      resultsText(report),
    );
    if (options.open) openInBrowser(html);
  });
}

function openInBrowser(file: string): void {
  const command = platform() === 'darwin' ? 'open' : platform() === 'win32' ? 'explorer' : 'xdg-open';
  const child = spawn(command, [file], { stdio: 'ignore', detached: true });
  child.on('error', () => remark(`No program to open it was found (${command}); open ${file} yourself.`));
  child.unref();
}
