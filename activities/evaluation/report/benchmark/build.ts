/** The report of benchmark evaluations: one HTML file that opens offline. */
import { count, timestamp } from '../format.js';
import { html, type Html } from '../html.js';
import { buildPage } from '../page.js';
import { calibrationSection, categorySection, costSection, lengthSection } from './breakdown.js';
import { browserData } from './browser-data.js';
import { BROWSER_SCRIPT } from './browser-script.js';
import { BROWSER_STYLE, browserSection } from './browser-section.js';
import { comparisonSection } from './comparison.js';
import { budgetSection, votesSection } from './curves.js';
import type { BenchmarkReportData } from './data.js';
import { judgesOf, nameOf } from './data.js';
import { mainTable, scopeSection } from './main-table.js';
import { bandsSection, positionSection, sectionBars } from './sections.js';

/** Build the page. The same data gives the same bytes. */
export function buildBenchmarkReport(data: BenchmarkReportData): string {
  const sections = [
    { id: 'results', name: 'Results', body: mainTable(data) },
    { id: 'comparison', name: 'Comparison', body: comparisonSection(data) },
    { id: 'sections', name: 'Sections', body: sectionBars(data) },
    { id: 'bands', name: 'Easy, normal, hard', body: bandsSection(data) },
    { id: 'position', name: 'Position', body: positionSection(data) },
    { id: 'votes', name: 'Votes', body: votesSection(data) },
    { id: 'budgets', name: 'Completion budget', body: budgetSection(data) },
    { id: 'calibration', name: 'Calibration', body: calibrationSection(data) },
    { id: 'categories', name: 'Categories', body: categorySection(data) },
    { id: 'lengths', name: 'Length', body: lengthSection(data) },
    { id: 'cost', name: 'Cost', body: costSection(data) },
    { id: 'judgements', name: 'Judgements', body: browserSection(browserData(data)) },
    { id: 'scope', name: 'What was judged', body: scopeSection(data) },
    { id: 'protocol', name: 'Protocol', body: protocolSection(data) },
  ];
  const judgements = data.evaluations.reduce((sum, { records }) => sum + records.length, 0);
  return buildPage({
    title: data.title,
    header: html`<header class="top">
      <div>
        <h1>${data.title}</h1>
        <p class="lead">
          ${judgesOf(data).join(', ')}: ${count(judgements)} judgements. ${timestamp(data.madeAt)}
        </p>
      </div>
    </header>`,
    sections,
    footer: html`Numbers of published systems are those of their papers, and were not measured here.`,
    style: BROWSER_STYLE,
    script: BROWSER_SCRIPT,
  });
}

/** How the verdicts came about, as the verdict files record it. */
function protocolSection(data: BenchmarkReportData): Html {
  return html`<h2 id="protocol">Protocol</h2>
    ${data.evaluations.map((one) =>
      one.protocol
        ? html`<details class="card" style="margin-bottom: 14px">
            <summary>${nameOf(one, data)}</summary>
            <pre><code>${JSON.stringify(one.protocol, null, 2)}</code></pre>
          </details>`
        : html`<p class="muted">${nameOf(one, data)}: the verdict file records no protocol.</p>`,
    )}`;
}
