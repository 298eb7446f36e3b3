/** The report of a run: one HTML file that opens offline, and the same numbers as JSON. */
import { Html, html } from './html.js';
import { REPORT_SCHEMA } from './report-data.js';
import type { ReportData } from './report-data.js';
import { comparisonSection, positionSection } from './sections/comparison.js';
import { examplesSection } from './sections/examples.js';
import { headerSection, summarySection } from './sections/header.js';
import { limitNotes, methodNotes, notesSection, taughtSection } from './sections/notes.js';
import { resultsSection } from './sections/results.js';
import { styleSection } from './sections/styles.js';
import { curvesSection, distillationSection, stagesSection } from './sections/training.js';
import { STYLE_SHEET } from './theme.js';

export interface Report {
  /** A whole page: no script, no request to anywhere. */
  html: string;
  /** `ReportData`, with `schema` and, in `notes`, all the page says about method and limits. */
  json: string;
}

/** Nothing may be loaded, should markup ever slip through: the page needs its own style sheet only. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";

/** Build both forms of the report. The same data gives the same bytes. */
export function buildReport(data: ReportData): Report {
  const sections = [
    { id: 'results', name: 'Results', body: data.systems.length > 0 && resultsSection(data) },
    { id: 'comparison', name: 'Stages compared', body: comparisonSection(data) },
    { id: 'style', name: 'Style traps', body: styleSection(data) },
    { id: 'position', name: 'Position', body: data.systems.length > 0 && positionSection(data) },
    { id: 'examples', name: 'Examples', body: examplesSection(data) },
    { id: 'curves', name: 'Training', body: curvesSection(data) },
    { id: 'distillation', name: 'Distillation', body: distillationSection(data) },
    { id: 'stages', name: 'Time and cost', body: stagesSection(data) },
    { id: 'taught', name: 'Base model', body: taughtSection(data) },
    { id: 'method', name: 'Method and limits', body: notesSection(data) },
  ].filter(({ body }) => body !== false);
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <meta http-equiv="Content-Security-Policy" content="${POLICY}" />
        <title>${data.title}: ${data.run.id}</title>
        <style>
          ${new Html(STYLE_SHEET)}
        </style>
      </head>
      <body>
        ${headerSection(data)}
        <nav class="toc" aria-label="Sections">
          <div>${sections.map(({ id, name }) => html`<a href="#${id}">${name}</a>`)}</div>
        </nav>
        <main>${summarySection(data)} ${sections.map(({ body }) => body)}</main>
        <footer>
          Run ${data.run.id}, recipe ${data.run.recipe}, seed ${data.run.seed}, code ${data.run.codeCommit}.
          The JSON report beside this file holds the same numbers.
        </footer>
      </body>
    </html> `;
  const notes = { methods: methodNotes(data), limits: limitNotes(data) };
  const json = { schema: REPORT_SCHEMA, ...data, notes };
  return { html: page.markup, json: `${JSON.stringify(json, null, 2)}\n` };
}
