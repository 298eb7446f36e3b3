/** The results table as plain text, for the end of a run in a terminal. */
import type { Average } from '../../../benchmarks/index.js';
import {
  count,
  interval,
  orderSections,
  percent,
  points,
  pointsInterval,
  pValue,
  titleOf,
} from './format.js';
import type { ReportData } from './report-data.js';

export interface TerminalOptions {
  /** Frame and dashes in ASCII, for terminals without Unicode. */
  ascii?: boolean;
}

type Frame = Record<'top' | 'middle' | 'bottom', readonly [string, string, string]> & {
  across: string;
  down: string;
};

const UNICODE: Frame = {
  top: ['┌', '┬', '┐'],
  middle: ['├', '┼', '┤'],
  bottom: ['└', '┴', '┘'],
  across: '─',
  down: '│',
};
const ASCII: Frame = {
  top: ['+', '+', '+'],
  middle: ['+', '+', '+'],
  bottom: ['+', '+', '+'],
  across: '-',
  down: '|',
};

/** Rows = systems, columns = sections, average and style bands; intervals under the values; then the comparisons. */
export function terminalTable(data: ReportData, { ascii = false }: TerminalOptions = {}): string {
  const { systems } = data;
  if (systems.length === 0) return 'No judge was evaluated.';
  const found = orderSections(systems.flatMap(({ accuracy }) => accuracy.sections.map(({ name }) => name)));
  // One section is the whole: its column and the average would hold the same numbers.
  const names = found.length > 1 ? found : [];
  const header = [
    '',
    ...names.map(titleOf),
    found.length > 1 ? 'Average' : 'All',
    ...(systems.some(({ matrix }) => matrix) ? ['Style hard'] : []),
  ];
  const rows = systems.map(({ label, accuracy, matrix }) => {
    const scores: (Average | null | undefined)[] = [
      ...names.map((name) => accuracy.sections.find((section) => section.name === name)?.score),
      found.length > 1 ? accuracy.average : accuracy.overall,
      ...(header.at(-1) === 'Style hard' ? [matrix?.bands.hard] : []),
    ];
    return [
      [label, ...scores.map((score) => (score ? percent(score.accuracy) : '-'))],
      ['', ...scores.map((score) => (score ? interval(score) : ''))],
    ];
  });
  const widths = header.map((title, column) =>
    Math.max(...[title, ...rows.flat().map((row) => row[column] ?? '')].map((cell) => [...cell].length)),
  );
  const frame = ascii ? ASCII : UNICODE;
  const rule = ([left, cross, right]: readonly [string, string, string]): string =>
    left + widths.map((width) => frame.across.repeat(width + 2)).join(cross) + right;
  const line = (cells: string[]): string => {
    const padded = cells.map((cell, column) => {
      const space = ' '.repeat((widths[column] ?? 0) - [...cell].length);
      return ` ${column === 0 ? cell + space : space + cell} `;
    });
    return frame.down + padded.join(frame.down) + frame.down;
  };
  const labels = new Map(systems.map(({ id, label }) => [id, label]));
  const total = systems.at(-1)?.accuracy.overall.total ?? 0;
  const text = [
    `${data.world.label}: share of right verdicts in %, 95 % intervals (${count(total)} judgements a system)`,
    rule(frame.top),
    line(header),
    ...rows.flatMap((pair) => [rule(frame.middle), ...pair.map(line)]),
    rule(frame.bottom),
    ...data.comparisons.map(
      (row) =>
        `${labels.get(row.to) ?? row.to} against ${labels.get(row.from) ?? row.from}: ${points(row.difference)} points (${pointsInterval(row)}), ` +
        `${count(row.fixed)} fixed, ${count(row.broken)} broken, p ${row.pValue < 0.001 ? '' : '= '}${pValue(row.pValue)}`,
    ),
  ].join('\n');
  const spaced = text.replaceAll('\u00a0', ' ');
  return ascii ? spaced.replaceAll('–', '-').replaceAll('\u2212', '-') : spaced;
}
