import { count } from '../format.js';
import { html } from '../html.js';
import type { Html } from '../html.js';
import type { ReportData } from '../report-data.js';

/** Which data and how many judgements a table is about; stands beside each of them. */
export function scopeOf(data: ReportData): Html {
  const totals = [...new Set(data.systems.map(({ accuracy }) => accuracy.overall.total))];
  const judgements =
    totals.length === 1
      ? `${count(totals[0] ?? 0)} judgements each`
      : `${totals.map(count).join(' / ')} judgements`;
  return html`Data: <b>${data.world.label}</b>, ${judgements}, ${data.protocol}.`;
}

/** Label of a system by its id. */
export function labelOf(data: ReportData, id: string): string {
  return data.systems.find((system) => system.id === id)?.label ?? id;
}
