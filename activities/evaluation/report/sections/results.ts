import { percent, interval, orderSections, titleOf } from '../format.js';
import { html } from '../html.js';
import type { Html } from '../html.js';
import type { ReportData, SystemRow } from '../report-data.js';
import { intervalPlot } from '../svg/interval-plot.js';
import type { IntervalRow } from '../svg/interval-plot.js';
import { systemColor } from '../theme.js';
import { scopeOf } from './scope.js';

/** The main table, shaped like the paper's: systems × sections and their average, and the same as a plot. */
export function resultsSection(data: ReportData): Html {
  const names = orderSections(
    data.systems.flatMap(({ accuracy }) => accuracy.sections.map(({ name }) => name)),
  );
  const several = names.length > 1;
  const columns = [
    ...names.map((name) => ({
      title: titleOf(name),
      average: false,
      of: (row: SystemRow) => sectionScore(row, name),
    })),
    {
      title: several ? 'Average' : 'All',
      average: true,
      of: (row: SystemRow) => (several ? row.accuracy.average : row.accuracy.overall),
    },
  ];
  const shown = several ? columns : columns.slice(1);
  const best = shown.map(({ of }) => Math.max(...data.systems.map((row) => of(row)?.accuracy ?? -1)));
  return html`<h2 id="results">Results</h2>
    <p class="lead">
      Share of judgements that name the preferred answer, in percent, with 95 % intervals. ${scopeOf(data)}
    </p>
    <div class="card">
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>System</th>
              ${shown.map(({ title, average }) => html`<th class="${average ? 'avg' : ''}">${title}</th>`)}
            </tr>
          </thead>
          <tbody>
            ${data.systems.map(
              (row, index) =>
                html`<tr>
                  <td class="system">
                    <span class="swatch ${systemColor(index, data.systems.length)}"></span><b>${row.label}</b>
                    ${row.description && html`<span class="ci" style="white-space: normal; margin-left: 18px">${row.description}</span>`}
                  </td>
                  ${shown.map(({ of, average }, column) => {
                    const score = of(row);
                    const classes = `${average ? 'avg' : ''} ${score?.accuracy === best[column] ? 'best' : ''}`;
                    return score
                      ? html`<td class="${classes}">
                          <b>${percent(score.accuracy)}</b><span class="ci">${interval(score)}</span>
                        </td>`
                      : html`<td class="${classes}">–</td>`;
                  })}
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </div>
    <figure class="card" style="margin: 14px 0 0">
      <h3>The same with intervals</h3>
      <div class="scroll">
        ${intervalPlot('Accuracy by section with 95 % intervals', plotRows(data, shown))}
      </div>
      <figcaption>
        ${data.systems.map(
          ({ label }, index) =>
            html`<span style="margin-right: 18px"
              ><span class="swatch ${systemColor(index, data.systems.length)}"></span>${label}</span
            >`,
        )}
        Dashed: chance.
      </figcaption>
    </figure>
    ${categoryTable(data)}`;
}

function plotRows(
  data: ReportData,
  columns: {
    title: string;
    average: boolean;
    of: (row: SystemRow) => { accuracy: number; low: number; high: number } | undefined;
  }[],
): IntervalRow[] {
  return columns.map(({ title, average, of }) => ({
    name: title,
    strong: average && columns.length > 1,
    marks: data.systems.flatMap((row, index) => {
      const score = of(row);
      if (!score) return [];
      const { accuracy, low, high } = score;
      return [
        { value: accuracy, low, high, label: row.label, color: systemColor(index, data.systems.length) },
      ];
    }),
  }));
}

function categoryTable(data: ReportData): Html | false {
  const scores = data.systems.map(
    ({ accuracy }) =>
      new Map(
        accuracy.sections.flatMap(({ categories }) => categories.map(({ name, score }) => [name, score])),
      ),
  );
  const names = [...new Set(scores.flatMap((map) => [...map.keys()]))];
  const sections = orderSections(names.map((name) => name.split('/')[0] ?? name));
  if (names.length <= sections.length) return false;
  const ordered = sections.flatMap((section) =>
    names.filter((name) => name.split('/')[0] === section).sort(),
  );
  return html`<details class="card" style="margin-top: 14px">
    <summary>By category</summary>
    <div class="scroll">
      <table style="margin-top: 14px">
        <thead>
          <tr>
            <th>Category</th>
            <th>Judgements</th>
            ${data.systems.map(({ label }) => html`<th>${label}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${ordered.map(
            (name) =>
              html`<tr>
                <td>
                  <span class="muted">${titleOf(name.split('/')[0] ?? '')}</span>
                  ${name.split('/').slice(1).join('/')}
                </td>
                <td>${scores.map((map) => map.get(name)?.total).find((total) => total !== undefined)}</td>
                ${scores.map((map) => {
                  const score = map.get(name);
                  return html`<td>
                    ${score ? html`<b>${percent(score.accuracy)}</b><span class="ci">${interval(score)}</span>` : '–'}
                  </td>`;
                })}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
  </details>`;
}

function sectionScore({ accuracy }: SystemRow, name: string) {
  return accuracy.sections.find((section) => section.name === name)?.score;
}
