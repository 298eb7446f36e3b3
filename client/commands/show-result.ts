import type { RunResult } from '../../workflows/messages.js';
import { fetchReport, resultsText } from '../results.js';

/** Fetch the report of a finished run and print it, for programs as one JSON line after the progress lines. */
export async function showResult(result: RunResult, json: boolean, out?: string): Promise<void> {
  const report = await fetchReport(result, out);
  if (json)
    process.stdout.write(
      `${JSON.stringify({ ...result, files: { html: report.html, json: report.json } })}\n`,
    );
  else process.stdout.write(`\n${resultsText(report)}`);
}
