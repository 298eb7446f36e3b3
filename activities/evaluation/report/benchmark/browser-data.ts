/** The judgements that the page can search: compact rows, with texts as far as the page's size allows. */
import { decisionOf, itemKey, outcomeOf, outcomeRules } from '../../../../benchmarks/index.js';
import type { VerdictRecord } from '../../../../benchmarks/index.js';
import type { BenchmarkReportData, JudgedBenchmark } from './data.js';
import { nameOf } from './data.js';

export interface BrowserRow {
  /** Index into `evaluations`. */
  e: number;
  key: string;
  gold: string;
  said: string;
  result: 'right' | 'wrong' | 'error' | 'tie';
  /** The judge's output. */
  text?: string;
  /** The conversation and both answers as the judge saw them. */
  turns?: [role: string, content: string][];
  a?: string;
  b?: string;
}

export interface BrowserData {
  evaluations: string[];
  rows: BrowserRow[];
  /** Rows whose texts were left out for the size of the page. */
  without: number;
}

/** Characters of text that a page holds; beyond it rows stay, without texts. */
const TEXT_BUDGET = 24_000_000;

const RULES = outcomeRules([]);

/** Wrong judgements get their texts first. */
export function browserData(data: BenchmarkReportData, budget = TEXT_BUDGET): BrowserData {
  const entries = data.evaluations.flatMap((one, e) =>
    one.records.map((record) => ({ one, record, row: rowOf(record, e) })),
  );
  let left = budget;
  let without = 0;
  for (const wanted of [false, true]) {
    for (const { one, record, row } of entries) {
      if ((row.result === 'right') !== wanted) continue;
      const texts = textsOf(one, record);
      const size = JSON.stringify(texts).length;
      if (size > left) without += 1;
      else {
        left -= size;
        Object.assign(row, texts);
      }
    }
  }
  return {
    evaluations: data.evaluations.map((one) => nameOf(one, data)),
    rows: entries.map(({ row }) => row),
    without,
  };
}

function rowOf(record: VerdictRecord, e: number): BrowserRow {
  const decision = decisionOf(record);
  const said = record.scores ? `${decision} (${record.scores.join(' : ')})` : decision;
  return { e, key: itemKey(record), gold: record.gold, said, result: resultOf(record) };
}

function resultOf(record: VerdictRecord): BrowserRow['result'] {
  const decision = decisionOf(record);
  if (decision === 'both' || decision === 'none') return 'error';
  if (decision === 'tie' || decision === 'equal') return 'tie';
  return outcomeOf(record, RULES) === 1 ? 'right' : 'wrong';
}

function textsOf({ items }: JudgedBenchmark, record: VerdictRecord): Partial<BrowserRow> {
  const item = items?.get(itemKey(record));
  const { text, gold } = record;
  return {
    ...(text !== undefined && { text }),
    ...(item && {
      turns: item.conversation.map(({ role, content }): [string, string] => [role, content]),
      a: gold === 'A' ? item.chosen : item.rejected,
      b: gold === 'A' ? item.rejected : item.chosen,
    }),
  };
}
