import { entryOf, itemKey, outcomeOf, outcomeRules, ShareCounter } from '../../../../benchmarks/index.js';
import type { Share, VerdictRecord } from '../../../../benchmarks/index.js';
import { count, duration, interval, percent, usd } from '../format.js';
import { html } from '../html.js';
import type { Html } from '../html.js';
import type { BenchmarkReportData, JudgedBenchmark } from './data.js';
import { BENCHMARK_TITLES, nameOf } from './data.js';
import { barCell } from './sections.js';

const RULES = outcomeRules([]);

/** Accuracies of groups of judgements, in the order in which `label` gives them. */
export function sharesBy(
  records: readonly VerdictRecord[],
  label: (record: VerdictRecord) => string | undefined,
): Map<string, Share> {
  const groups = new Map<string, ShareCounter>();
  for (const record of records) {
    const name = label(record);
    if (name !== undefined)
      entryOf(groups, name, () => new ShareCounter()).add(itemKey(record), outcomeOf(record, RULES));
  }
  return new Map([...groups].map(([name, counter]) => [name, counter.share()!]));
}

function sharesTable(name: string, shares: ReadonlyMap<string, Share>): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${name}">
    <table class="dense">
      <thead>
        <tr>
          <th>${name}</th>
          <th>Judgements</th>
          <th class="text">Accuracy</th>
          <th>95 %</th>
        </tr>
      </thead>
      <tbody>
        ${[...shares].map(
          ([label, share]) =>
            html`<tr>
              <td>${label}</td>
              <td>${count(share.count)}</td>
              ${barCell(share.accuracy)}
              <td>${interval(share)}</td>
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** Every category; folded, for there may be a hundred. */
export function categorySection(data: BenchmarkReportData): Html {
  return html`<h2 id="categories">Categories</h2>
    <p class="lead">
      Each judgement counts once; best-of-N comparisons are counted one by one here, not as lists.
    </p>
    ${data.evaluations.map((one) => {
      const shares = sharesBy(one.records, ({ subset }) => subset);
      const sorted = new Map([...shares].sort(([a], [b]) => (a < b ? -1 : 1)));
      return html`<details class="card" style="margin-bottom: 14px">
        <summary>${nameOf(one, data)}: ${count(sorted.size)} categories</summary>
        ${sharesTable('Category', sorted)}
      </details>`;
    })}`;
}

/** Upper bounds of the ratio of lengths, chosen over rejected. */
const LENGTHS: [string, number][] = [
  ['better answer less than half as long', 0.5],
  ['shorter', 0.9],
  ['about as long (±10 %)', 1 / 0.9],
  ['longer', 2],
  ['more than twice as long', Infinity],
];

/** Label of a pair by the ratio of its answers' lengths. */
export function lengthLabel(chosen: number, rejected: number): string {
  const ratio = chosen / Math.max(1, rejected);
  return LENGTHS.find(([, bound]) => ratio <= bound)![0];
}

/** Does the judge prefer what is long? Needs the items' texts. */
export function lengthSection(data: BenchmarkReportData): Html | false {
  const known = data.evaluations.filter(({ items }) => items !== undefined);
  if (known.length === 0) return false;
  return html`<h2 id="lengths">Length</h2>
    <p class="lead">
      Accuracy by the length of the better answer against the worse one, in characters. A judge that follows
      length is good at the bottom of the table and bad at its top.
    </p>
    ${known.map((one) => {
      const shares = sharesBy(one.records, (record) => {
        const item = one.items!.get(itemKey(record));
        return item && lengthLabel(item.chosen.length, item.rejected.length);
      });
      const sorted = new Map(
        LENGTHS.flatMap(([name]) => (shares.has(name) ? [[name, shares.get(name)!]] : [])),
      );
      return html`<div class="card" style="margin-bottom: 14px">
        <h3>${nameOf(one, data)}</h3>
        ${sharesTable('Lengths', sorted)}
      </div>`;
    })}`;
}

/** How large a share of the samples agreed on the verdict: an agreement that means something goes with accuracy. */
export function agreement({ verdict, votes }: VerdictRecord): number | undefined {
  if (!votes || votes.length < 2) return undefined;
  return votes.filter((vote) => vote === verdict).length / votes.length;
}

export function calibrationSection(data: BenchmarkReportData): Html | false {
  const voted = data.evaluations.filter(({ records }) =>
    records.some((record) => agreement(record) !== undefined),
  );
  if (voted.length === 0) return false;
  return html`<h2 id="calibration">Calibration by votes</h2>
    <p class="lead">
      Accuracy of the majority by the share of samples that agreed with it. A calibrated judge is right about
      as often as its samples agree.
    </p>
    ${voted.map((one) => {
      const shares = sharesBy(one.records, (record) => {
        const agreed = agreement(record);
        return agreed === undefined ? undefined : agreementLabel(agreed);
      });
      const sorted = new Map([...shares].sort(([a], [b]) => Number.parseInt(a) - Number.parseInt(b)));
      return html`<div class="card" style="margin-bottom: 14px">
        <h3>${nameOf(one, data)}</h3>
        ${sharesTable('Samples that agree', sorted)}
      </div>`;
    })}`;
}

/** Bins of ten points; unanimity apart. */
function agreementLabel(share: number): string {
  if (share === 1) return '100 %';
  const low = Math.floor(share * 10 + 1e-9) * 10;
  return `${low} to ${low + 10} %`;
}

/** Tokens, time and money an item. */
export function costSection(data: BenchmarkReportData): Html | false {
  const measured = data.evaluations.filter(({ records }) =>
    records.some(({ outputTokens, seconds, costUsd }) => outputTokens ?? seconds ?? costUsd),
  );
  if (measured.length === 0) return false;
  const cell = (value: number | undefined, show: (value: number) => string) =>
    html`<td>${value === undefined ? '–' : show(value)}</td>`;
  return html`<h2 id="cost">Cost per item</h2>
    <div class="card">
      <div class="scroll" tabindex="0" role="region" aria-label="Cost per item">
        <table class="dense">
          <thead>
            <tr>
              <th>Evaluation</th>
              <th>Prompt tokens</th>
              <th>Output tokens</th>
              <th>Cost</th>
              <th>Cost in all</th>
              <th>Median time</th>
              <th>95 % below</th>
              <th>Cut off</th>
            </tr>
          </thead>
          <tbody>
            ${measured.map((one) => {
              const cost = costOf(one);
              return html`<tr>
                <td>${BENCHMARK_TITLES[one.score.benchmark]} · ${one.judge}</td>
                ${cell(cost.inputTokens, count)} ${cell(cost.outputTokens, count)} ${cell(cost.usd, usd)}
                ${cell(cost.usdInAll, usd)} ${cell(cost.medianSeconds, duration)}
                ${cell(cost.slowSeconds, duration)} ${cell(cost.cutOff, (share) => `${percent(share)} %`)}
              </tr>`;
            })}
          </tbody>
        </table>
      </div>
    </div>`;
}

/** Means over the judgements that tell; undefined where none does. Times in seconds. */
export function costOf({ records }: Pick<JudgedBenchmark, 'records'>) {
  const values = (field: 'inputTokens' | 'outputTokens' | 'costUsd' | 'seconds') =>
    records.map((record) => record[field]).filter((value) => value !== undefined);
  const sum = (numbers: number[]) => numbers.reduce((total, value) => total + value, 0);
  const mean = (numbers: number[]) => (numbers.length > 0 ? sum(numbers) / numbers.length : undefined);
  const seconds = values('seconds').sort((a, b) => a - b);
  const usdValues = values('costUsd');
  const ends = records.map(({ finished }) => finished).filter((value) => value !== undefined);
  return {
    inputTokens: mean(values('inputTokens')),
    outputTokens: mean(values('outputTokens')),
    usd: mean(usdValues),
    usdInAll: usdValues.length > 0 ? sum(usdValues) : undefined,
    medianSeconds: seconds[Math.floor(seconds.length / 2)],
    slowSeconds: seconds[Math.floor(seconds.length * 0.95)],
    cutOff: ends.length > 0 ? ends.filter((end) => !end).length / ends.length : undefined,
  };
}
