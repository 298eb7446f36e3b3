import { count, duration, interval, percent, points, pValue, timestamp, usd } from '../format.js';
import { html } from '../html.js';
import type { Html } from '../html.js';
import type { ReportData } from '../report-data.js';
import { labelOf } from './scope.js';

/** Title, what the numbers are about, and the facts that name the run. */
export function headerSection(data: ReportData): Html {
  const { run, world } = data;
  const facts: [string, string][] = [
    ['Run', run.id],
    ['Recipe', run.recipe],
    ['Seed', String(run.seed)],
    ['Code', run.codeCommit.replace(/^([0-9a-f]{12})[0-9a-f]+/, '$1')],
    ['Started', timestamp(run.startedAt)],
    ['Finished', timestamp(run.finishedAt)],
    ...(run.startedBy ? [['By', run.startedBy] as [string, string]] : []),
  ];
  return html`<header class="top">
    <div>
      <h1>${data.title}</h1>
      <p class="lead"><span class="badge">${world.label}</span>${world.note}</p>
      <ul class="facts">
        ${facts.map(([name, value]) => html`<li><b>${name}</b><span class="mono">${value}</span></li>`)}
      </ul>
    </div>
  </header>`;
}

/** Four figures and one sentence. */
export function summarySection(data: ReportData): Html {
  const first = data.systems[0];
  const last = data.systems.at(-1);
  if (!first || !last) return html`<div class="note"><p>No judge was evaluated in this run.</p></div>`;
  const { overall } = last.accuracy;
  const step =
    data.comparisons.find(({ to, from }) => to === last.id && from !== first.id) ?? data.comparisons[0];
  const own = data.stages.filter(({ reused }) => !reused);
  const seconds = own.reduce((sum, stage) => sum + stage.seconds, 0);
  const cost = own.reduce((sum, stage) => sum + stage.costUsd, 0);
  const reused = data.stages.length - own.length;
  return html`<div class="tiles">
    ${tile(`${last.label}, right verdicts`, percent(overall.accuracy), '%', `${interval(overall)}, ${count(overall.total)} judgements`)}
    ${tile(`${first.label}, right verdicts`, percent(first.accuracy.overall.accuracy), '%', `${interval(first.accuracy.overall)}, the starting point`)}
    ${
      step
        ? tile(
            `${labelOf(data, step.to)} against ${labelOf(data, step.from)}`,
            points(step.difference),
            'points',
            `${points(step.low)} to ${points(step.high)}, p ${step.pValue < 0.001 ? '' : '= '}${pValue(step.pValue)}`,
          )
        : tile(
            'Right in both orders',
            percent(last.position.rightInBoth.share),
            '%',
            `of ${count(last.position.pairs)} pairs`,
          )
    }
    ${tile('Time and cost', duration(seconds), '', `${usd(cost)} at the prices of the recipe${reused > 0 ? `; ${reused} of ${data.stages.length} stages reused` : ''}`)}
  </div>`;
}

function tile(name: string, value: string, unit: string, note: string): Html {
  return html`<div class="card tile">
    <h4>${name}</h4>
    <div class="number">${value}${unit && html`<small>${unit}</small>`}</div>
    <div class="small">${note}</div>
  </div>`;
}
