import type { StepMetrics } from '../../../../engine/job.js';
import { count, duration, orderSections, percent, titleOf, usd, bytes } from '../format.js';
import { html } from '../html.js';
import type { Html } from '../html.js';
import type { ReportData } from '../report-data.js';
import { lineChart, movingAverage } from '../svg/line-chart.js';
import type { LineChart } from '../svg/line-chart.js';

/** Steps the moving averages span. */
export function averageWindow(steps: number): number {
  return Math.min(31, Math.max(7, 2 * Math.round(steps / 24) + 1));
}

type Curve = Omit<LineChart, 'series' | 'xLabel'> & {
  of: (metrics: StepMetrics) => number | undefined;
  color: string;
};

const SUPERVISED = {
  unit: 'nats a token',
  of: (metrics: StepMetrics) => metrics.loss,
  format: (value: number) => value.toFixed(3),
};
const share = (value: number): string => `${value.toFixed(0)} %`;

const GRPO: Curve[] = [
  {
    title: 'GRPO: mean reward of the rollouts',
    unit: '−1 to 1',
    of: ({ reward }) => reward,
    color: 'c-2',
    format: (v) => v.toFixed(2),
    reference: { y: 0, label: 'coin toss' },
  },
  {
    title: 'GRPO: KL to the SFT checkpoint',
    unit: 'k3 estimate, nats a token',
    of: ({ kl }) => kl,
    color: 'c-3',
    format: (v) => v.toPrecision(2),
    yInclude: [0],
  },
  {
    title: 'GRPO: completion length',
    unit: 'mean tokens',
    of: ({ completionTokens }) => completionTokens,
    color: 'c-4',
    format: (v) => v.toFixed(1),
  },
  {
    title: 'GRPO: informative groups',
    unit: '% of groups with both right and wrong rollouts',
    of: ({ informativeGroups }) => (informativeGroups === undefined ? undefined : 100 * informativeGroups),
    color: 'c-5',
    format: share,
    yInclude: [0],
  },
];

/** Loss, reward, KL, length and informative groups, step by step. */
export function curvesSection(data: ReportData): Html | false {
  const { base = [], sft = [], grpo = [] } = data.curves;
  const charts = [
    base.length > 0 && figure({ ...SUPERVISED, title: 'Base warm-up: loss', color: 'c-0' }, base),
    sft.length > 0 && figure({ ...SUPERVISED, title: 'SFT: loss on the traces', color: 'c-1' }, sft),
    ...(grpo.length > 0
      ? GRPO.filter(({ of }) => grpo.some((step) => of(step) !== undefined)).map((curve) =>
          figure(curve, grpo),
        )
      : []),
  ].filter((chart) => chart !== false);
  if (charts.length === 0) return false;
  return html`<h2 id="curves">Training</h2>
    <p class="lead">Pale: single steps. Bold: their centred moving average; the number is its last value.</p>
    <div class="grid2">${charts}</div>`;
}

function figure({ of, color, ...chart }: Curve, steps: readonly StepMetrics[]): Html {
  const points = steps.flatMap((step) => {
    const y = of(step);
    return y === undefined ? [] : [{ x: step.step, y }];
  });
  const smooth = movingAverage(points, averageWindow(points.length));
  const series = [
    { color, points, faint: true },
    { color, points: smooth },
  ];
  return html`<figure class="card" style="margin: 0">
    <h3>${chart.title}</h3>
    <div class="small">${chart.unit}</div>
    ${lineChart({ ...chart, xLabel: 'step', series })}
  </figure>`;
}

/** What the oracle was asked, how often it agreed, and what a trace cost. */
export function distillationSection(data: ReportData): Html | false {
  const stats = data.distillation;
  if (!stats) return false;
  const categories = Object.entries(stats.agreementByCategory);
  const sections = orderSections(categories.map(([name]) => name.split('/')[0] ?? name));
  const ordered = sections.flatMap((section) =>
    categories.filter(([name]) => name.split('/')[0] === section).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  const traces = stats.traces.direct + stats.traces.hinted;
  const facts: [string, string][] = [
    ['Pairs judged in pass 1', count(stats.judged)],
    ['Agreed with the label', `${percent(stats.agreement)} %`],
    ['Corrected in pass 2', `${count(stats.corrected.agreed)} of ${count(stats.corrected.asked)}`],
    [
      'Traces kept',
      `${count(traces)} (${count(stats.traces.hinted)} hinted, ${percent(stats.hintedShare)} %)`,
    ],
    ...data.rounds.map(({ agreement, traces: kept }, index): [string, string] => [
      `Right in round ${index + 1}`,
      `${percent(agreement)} %, ${count(kept)} traces`,
    ]),
    ...Object.entries(stats.agreementByGold).map(([position, { judged, agreed }]): [string, string] => [
      `Agreed where ${position} is the better reply`,
      `${percent(agreed / Math.max(1, judged))} % of ${count(judged)}`,
    ]),
    ...Object.entries(stats.agreementByLength).map(([length, { judged, agreed }]): [string, string] => [
      `Agreed in ${length} characters`,
      `${percent(agreed / Math.max(1, judged))} % of ${count(judged)}`,
    ]),
    ...Object.entries(stats.rejected).map(([reason, times]): [string, string] => [
      `Rejected: ${reason.replaceAll('-', ' ')}`,
      count(times),
    ]),
    ['Traces with gold at A', `${percent(stats.goldAtA)} %`],
    ['Mean length of a trace', `${count(stats.meanTraceCharacters)} characters`],
    ['Cost', `${usd(stats.costUsd)}, ${usd(stats.costPerTraceUsd)} a trace`],
    ['Answers from the cache', count(stats.answeredFromCache)],
  ];
  return html`<h2 id="distillation">Distillation</h2>
    <p class="lead">
      ${
        data.rounds.length > 0
          ? html`No oracle was asked. In each round the student judged every pair several times, and one
            judgement that ends in the label was kept; the base was fine-tuned on those and judged in the next
            round. The figures are the last round's.`
          : html`The oracle judges; agreeing traces are kept. A second pass corrects the others with the label
              in view: those are <i>hinted</i>.`
      }${stats.partial ? ' Some questions stayed without an answer, because the budget ended or batches came back without them: these are fewer than the recipe asks for.' : ''}
    </p>
    <div class="grid2">
      <div class="card">
        <h3>In figures</h3>
        <table class="dense">
          <tbody>
            ${facts.map(
              ([name, value]) =>
                html`<tr>
                  <td>${name}</td>
                  <td>${value}</td>
                </tr>`,
            )}
            ${Object.entries(stats.fingerprints).map(
              ([name, times]) =>
                html`<tr>
                  <td>Answered by <code>${name}</code></td>
                  <td>${count(times)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
      <div class="card">
        <h3>Agreement in pass 1 by category</h3>
        <table class="dense">
          <tbody>
            ${ordered.map(
              ([name, { judged, agreed }]) =>
                html`<tr>
                  <td>
                    <span class="muted">${titleOf(name.split('/')[0] ?? '')}</span>
                    ${name.split('/').slice(1).join('/')}
                  </td>
                  <td style="width: 40%">
                    <div class="bar"><i style="width: ${percent(agreed / Math.max(1, judged))}%"></i></div>
                  </td>
                  <td>
                    ${percent(agreed / Math.max(1, judged))} %
                    <span class="small muted">of ${count(judged)}</span>
                  </td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </div>`;
}

/** Time, money and artefacts of each stage. */
export function stagesSection(data: ReportData): Html {
  const own = data.stages.filter(({ reused }) => !reused);
  const sum = (of: (stage: ReportData['stages'][number]) => number): number =>
    own.reduce((total, stage) => total + of(stage), 0);
  const seconds = sum((stage) => stage.seconds);
  return html`<h2 id="stages">Stages, time and cost</h2>
    <p class="lead">
      Wall time on the machine of this run. Tokens are the oracle's in distillation and the judges' own in
      evaluation; cost is the oracle's tokens at the recipe's prices.
      ${own.length < data.stages.length && 'Reused stages were made by an earlier run and are not in the total.'}
    </p>
    <div class="card">
      <div class="timeline" aria-hidden="true">
        ${own.map(
          ({ name, seconds: time }, index) =>
            html`<i
              style="flex: ${Math.max(0.001, time).toFixed(3)}; --mix: ${index % 2 === 0 ? 48 : 30}%; ${time < 0.06 * seconds && 'padding: 0'}"
              title="${name}: ${duration(time)}"
              >${time >= 0.06 * seconds && name}</i
            >`,
        )}
      </div>
      <div class="scroll">
        <table>
          <thead>
            <tr>
              <th>Stage</th>
              <th>Time</th>
              <th>Share</th>
              <th>Tokens read</th>
              <th>Tokens written</th>
              <th>Cost</th>
              <th class="text">Artefact</th>
            </tr>
          </thead>
          <tbody>
            ${data.stages.map(
              (stage) =>
                html`<tr>
                  <td>
                    <b>${stage.name}</b> ${stage.reused && html`<span class="pill plain">reused</span>`}
                  </td>
                  <td>${duration(stage.seconds)}</td>
                  <td>${stage.reused || seconds === 0 ? '–' : `${percent(stage.seconds / seconds, 0)} %`}</td>
                  <td>${stage.inputTokens ? count(stage.inputTokens) : '–'}</td>
                  <td>${stage.outputTokens ? count(stage.outputTokens) : '–'}</td>
                  <td>${stage.costUsd ? usd(stage.costUsd) : '–'}</td>
                  <td class="text path">
                    ${stage.artifact && html`<code>${stage.artifact.uri}</code><span class="ci">sha256 ${stage.artifact.sha256.slice(0, 16)}…${stage.artifact.bytes !== undefined && `, ${bytes(stage.artifact.bytes)}`}</span>`}
                  </td>
                </tr>`,
            )}
            <tr class="total">
              <td>This run</td>
              <td>${duration(seconds)}</td>
              <td></td>
              <td></td>
              <td></td>
              <td>${usd(sum((stage) => stage.costUsd))}</td>
              <td></td>
            </tr>
          </tbody>
        </table>
      </div>
    </div>`;
}
