import { STYLE_NAMES } from '../../../../benchmarks/index.js';
import { titleOf } from '../format.js';
import { html } from '../html.js';
import type { Html } from '../html.js';
import type { Example, ExampleJudgement, ExampleKind, ReportData } from '../report-data.js';
import { systemColor } from '../theme.js';
import { traceView } from '../trace-view.js';
import { labelOf } from './scope.js';

const KINDS: { kind: ExampleKind; title: string; lead: (first: string, last: string) => string }[] = [
  {
    kind: 'trap',
    title: 'Style traps',
    lead: (first, last) =>
      `The rejected answer is the more elaborate one; ${first} prefers it, ${last} does not.`,
  },
  {
    kind: 'right',
    title: 'Right',
    lead: (_, last) => `Judgements of ${last} that name the preferred answer.`,
  },
  { kind: 'wrong', title: 'Wrong', lead: (_, last) => `Judgements of ${last} that do not name it.` },
];

/** What the judges wrote, with their reasoning. */
export function examplesSection(data: ReportData): Html | false {
  if (data.examples.length === 0) return false;
  return html`<h2 id="examples">Examples</h2>
    <p class="lead">
      Drawn by a seeded hash, not picked by hand. Tags of the Chain-of-Rubrics form are shown as labels; the
      text is the judge's own.
    </p>
    ${KINDS.map(({ kind, title, lead }) => {
      const examples = data.examples.filter((example) => example.kind === kind);
      return (
        examples.length > 0 &&
        html`<h3 style="margin-top: 24px">${title}</h3>
          <p class="small">${lead(data.systems[0]?.label ?? '', data.systems.at(-1)?.label ?? '')}</p>
          ${examples.map((example) => exampleCard(data, example))}`
      );
    })}`;
}

function exampleCard(data: ReportData, example: Example): Html {
  const { category, styles, conversation, answerA, answerB, gold, judgements, pairId } = example;
  const [section = '', ...rest] = category.split('/');
  const styleOf = (position: 'A' | 'B'): string | undefined =>
    styles && STYLE_NAMES[position === gold ? styles.chosen : styles.rejected];
  return html`<article class="card example">
    <div class="head">
      <b>${titleOf(section)}</b>${rest.length > 0 && html`<span class="muted">${rest.join('/')}</span>`}
      <span class="small mono" style="margin-left: auto">${pairId}</span>
    </div>
    <div class="body">
      ${conversation.map(({ role, content }) => html`<div class="turn"><b>${titleOf(role)}</b><span class="pre">${content}</span></div>`)}
      <div class="answers">
        ${answerBox('A', answerA, gold === 'A', styleOf('A'))}${answerBox('B', answerB, gold === 'B', styleOf('B'))}
      </div>
      <div class="judgements${judgements.length > 1 ? ' many' : ''}" style="--n: ${judgements.length}">
        ${judgements.map((judgement) => judgementBox(data, judgement))}
      </div>
    </div>
  </article>`;
}

function answerBox(position: 'A' | 'B', text: string, gold: boolean, style: string | undefined): Html {
  return html`<div class="answer${gold ? ' gold' : ''}">
    <div class="label">
      <span>Answer ${position}${style && html` · ${style}`}</span
      >${gold && html`<span class="pill good">preferred</span>`}
    </div>
    <span class="pre">${text}</span>
  </div>`;
}

function judgementBox(
  data: ReportData,
  { system, verdict, right, text, tokens, finished }: ExampleJudgement,
): Html {
  const index = data.systems.findIndex(({ id }) => id === system);
  const said =
    verdict === 'A' || verdict === 'B' ? `says ${verdict}` : verdict === 'both' ? 'names both' : 'no verdict';
  return html`<div class="judgement">
    <div class="label">
      <span
        ><span class="swatch ${systemColor(Math.max(0, index), data.systems.length)}"></span
        >${labelOf(data, system)}</span
      >
      <span
        ><span class="small" style="font-weight: 400">${tokens} tokens${!finished && ', cut off'}</span>
        <span class="pill ${right ? 'good' : 'bad'}">${right ? '✓' : '✗'} ${said}</span></span
      >
    </div>
    ${traceView(text)}
  </div>`;
}
