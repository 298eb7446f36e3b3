/** The report of a run: one HTML file that opens offline, and the same numbers as JSON. */
import { html } from './html.js';
import { buildPage } from './page.js';
import { REPORT_SCHEMA } from './report-data.js';
import type { ReportData } from './report-data.js';
import { comparisonSection, positionSection } from './sections/comparison.js';
import { examplesSection } from './sections/examples.js';
import { headerSection, summarySection } from './sections/header.js';
import { limitNotes, methodNotes, notesSection, taughtSection } from './sections/notes.js';
import { resultsSection } from './sections/results.js';
import { styleSection } from './sections/styles.js';
import { curvesSection, distillationSection, stagesSection } from './sections/training.js';

export interface Report {
  /** A whole page: no script, no request to anywhere. */
  html: string;
  /** `ReportData`, with `schema` and, in `notes`, all the page says about method and limits. */
  json: string;
}

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
  ];
  const page = buildPage({
    title: `${data.title}: ${data.run.id}`,
    header: headerSection(data),
    lead: summarySection(data),
    sections,
    footer: html`Run ${data.run.id}, recipe ${data.run.recipe}, seed ${data.run.seed}, code
    ${data.run.codeCommit}. The JSON report beside this file holds the same numbers.`,
  });
  const notes = { methods: methodNotes(data), limits: limitNotes(data) };
  const json = { schema: REPORT_SCHEMA, ...data, notes };
  return { html: page, json: `${JSON.stringify(json, null, 2)}\n` };
}
