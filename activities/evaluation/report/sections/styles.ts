import { STYLE_BANDS, STYLE_NAMES } from '../../../../benchmarks/index.js';
import type { StyleMatrix } from '../../../../benchmarks/index.js';
import { count, interval, percent, titleOf } from '../format.js';
import { html } from '../html.js';
import type { Html } from '../html.js';
import type { ReportData } from '../report-data.js';
import { heat, systemColor } from '../theme.js';

/** RM-Bench's question: does style sway the judge? One small heat table a system. */
export function styleSection(data: ReportData): Html | false {
  const shown = data.systems.flatMap((system, index) =>
    system.matrix
      ? [{ ...system, matrix: system.matrix, color: systemColor(index, data.systems.length) }]
      : [],
  );
  const [first] = shown;
  if (!first) return false;
  return html`<h2 id="style">Style traps</h2>
    <p class="lead">
      The same contents dressed in three styles, each preferred answer against each rejected one
      (${count(first.matrix.judgements)} judgements each). <i>Hard</i>, above the diagonal: the rejected
      answer is the more elaborate one, so a judge that likes length or markup falls below chance (50 %,
      pale). Data: <b>${data.world.label}</b>.
    </p>
    <div class="${shown.length === 2 ? 'grid2' : 'grid3'}">
      ${shown.map(
        ({ label, matrix, color }) =>
          html`<figure class="card" style="margin: 0">
            <h3><span class="swatch ${color}"></span>${label}</h3>
            ${heatTable(matrix)} ${bands(matrix)}
          </figure>`,
      )}
    </div>`;
}

function heatTable(matrix: StyleMatrix): Html {
  return html`<table class="heat">
    <thead>
      <tr>
        <th></th>
        <th class="span" colspan="${STYLE_NAMES.length}">rejected answer</th>
      </tr>
      <tr>
        <th class="corner">preferred</th>
        ${STYLE_NAMES.map((name) => html`<th>${name}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${matrix.cells.map(
        (row, chosen) =>
          html`<tr>
            <th>${STYLE_NAMES[chosen]}</th>
            ${row.map((cell) =>
              cell
                ? html`<td
                    style="${heat(cell.accuracy)}"
                    title="${percent(cell.low)} to ${percent(cell.high)} %, ${cell.total} judgements"
                  >
                    ${percent(cell.accuracy)}
                  </td>`
                : html`<td class="muted">–</td>`,
            )}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function bands(matrix: StyleMatrix): Html {
  return html`<div class="bands">
    ${STYLE_BANDS.map((name) => {
      const band = matrix.bands[name];
      return html`<div>
        <span>${titleOf(name)}</span
        ><b>${band ? percent(band.accuracy) : '–'}</b>${band && html`<span>${interval(band)}</span>`}
      </div>`;
    })}
    <div><span>Average</span><b>${matrix.average === null ? '–' : percent(matrix.average)}</b></div>
  </div>`;
}
