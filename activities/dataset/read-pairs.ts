/** A file or stream of preference pairs → checked pairs, and an account of what was read. */
import { basename } from 'node:path';
import type { Pair } from '../../judge/pair.js';
import { BadDataError, LISTED_PROBLEMS, ProblemList } from './bad-data.js';
import { comparisonKey, contentKey, normaliseText } from './normalise.js';
import { dropOverlong } from './overlong.js';
import type { LengthLimits } from './overlong.js';
import { CONTENT_FAULTS, parseRecord } from './parse-record.js';
import type { ContentFault, RecordShape } from './parse-record.js';
import { readLines } from './read-lines.js';
import type { Line } from './read-lines.js';

export interface ReadOptions extends LengthLimits {
  /** Name of the source in messages; default: the file's name. */
  source?: string;
  /**
   * Largest share of records that may be left out for a fault of their content (equal answers, an empty answer,
   * two conversations); above it each of them is an error. Default 0.01: real collections hold a few.
   */
  maxFaultyShare?: number;
}

export type DropReason = ContentFault | 'overlong';

export interface ReadReport {
  source: string;
  /** Records read, blank lines not counted. */
  records: number;
  pairs: number;
  /** Records left out because an identical pair came before. */
  duplicates: number;
  /** Comparisons that stand in the data with either answer preferred; kept. */
  contradictory: number;
  multiTurn: number;
  dropped: Record<DropReason, number>;
  /** The first of the dropped records. */
  droppedLines: { line: number; reason: DropReason }[];
  shapes: Record<RecordShape, number>;
  categories: Record<string, number>;
  /** One sentence each, for the user. */
  warnings: string[];
}

type Lines = Iterable<string | Line> | AsyncIterable<string | Line>;

/**
 * Read preference pairs from JSONL: a path (plain or gzip) or lines.
 * Records that are malformed are errors; records with a fault of content are dropped while they are few.
 * @throws BadDataError naming source, line, field and remedy of every problem (the first 20 listed).
 */
export async function readPairs(
  input: string | Lines,
  options: ReadOptions = {},
): Promise<{ pairs: Pair[]; report: ReadReport }> {
  const source = options.source ?? (typeof input === 'string' ? basename(input) : 'the pairs');
  const lines: Lines = typeof input === 'string' ? readLines(input, source) : input;
  const reader = new PairReader();
  let number = 0;
  for await (const line of lines) {
    number = typeof line === 'string' ? number + 1 : line.number;
    reader.read(typeof line === 'string' ? line : line.text, number);
  }
  return reader.finish(source, options);
}

class PairReader {
  private readonly problems = new ProblemList();
  private readonly faults: { line: number; field: string | undefined; fault: ContentFault }[] = [];
  private readonly byContent = new Map<string, Pair>();
  private readonly byId = new Map<string, { line: number; content: string }>();
  private readonly lineOf = new Map<Pair, number>();
  private readonly shapes: Record<RecordShape, number> = { transcript: 0, prompt: 0, messages: 0 };
  private records = 0;
  private duplicates = 0;
  /** The file is one JSON list: said once, its lines are no records. */
  private isList = false;

  read(text: string, line: number): void {
    if (this.isList || text.trim() === '') return;
    this.records += 1;
    const value = this.parseJson(text, line);
    if (value === undefined) return;
    const parsed = parseRecord(value);
    if (parsed.ok) this.keep(parsed.pair, parsed.shape, parsed.givenId, line);
    else if (parsed.fault) this.faults.push({ line, field: parsed.problems[0]?.field, fault: parsed.fault });
    else parsed.problems.forEach((problem) => this.problems.add({ line, ...problem }));
  }

  private parseJson(text: string, line: number): unknown {
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      this.isList = line === 1 && text.trimStart().startsWith('[');
      const remedy = this.isList
        ? 'the file looks like one JSON list; write one JSON object a line (jq -c ".[]")'
        : 'write one complete JSON object a line';
      const reason = (error as Error).message.replace(/\s+/g, ' ');
      this.problems.add({ line, message: `is not valid JSON (${reason}); ${remedy}` });
      return undefined;
    }
  }

  private keep(pair: Pair, shape: RecordShape, givenId: boolean, line: number): void {
    const content = contentKey(pair);
    const sameId = givenId ? this.byId.get(pair.id) : undefined;
    if (sameId && sameId.content !== content) {
      const message = `"${pair.id}" stands on line ${sameId.line} too, with other content; give every pair its own id`;
      this.problems.add({ line, field: 'id', message });
      return;
    }
    if (givenId && !sameId) this.byId.set(pair.id, { line, content });
    if (this.byContent.has(content)) {
      this.duplicates += 1;
      return;
    }
    this.shapes[shape] += 1;
    this.byContent.set(content, pair);
    this.lineOf.set(pair, line);
  }

  finish(source: string, options: ReadOptions): { pairs: Pair[]; report: ReadReport } {
    const { maxFaultyShare = 0.01 } = options;
    if (this.records === 0)
      throw new BadDataError(source, [
        { message: 'is empty; give at least one preference pair, one JSON object a line' },
      ]);
    if (this.faults.length > maxFaultyShare * this.records) {
      for (const { line, field, fault } of this.faults)
        this.problems.add({ line, ...(field && { field }), message: CONTENT_FAULTS[fault] });
    }
    this.problems.throwIfAny(source);

    const { pairs, overlong } = dropOverlong([...this.byContent.values()], options, source);
    const droppedLines: ReadReport['droppedLines'] = [
      ...this.faults.map(({ line, fault }) => ({ line, reason: fault })),
      ...overlong.map((pair) => ({ line: this.lineOf.get(pair) ?? 0, reason: 'overlong' as const })),
    ];
    const dropped: Record<DropReason, number> = {
      equalAnswers: 0,
      emptyAnswer: 0,
      conversationsDiffer: 0,
      overlong: 0,
    };
    for (const { reason } of droppedLines) dropped[reason] += 1;
    const report: ReadReport = {
      source,
      records: this.records,
      pairs: pairs.length,
      duplicates: this.duplicates,
      contradictory: contradictions(pairs),
      multiTurn: pairs.filter(
        ({ conversation }) => conversation.filter(({ role }) => role === 'user').length > 1,
      ).length,
      dropped,
      droppedLines: droppedLines.slice(0, LISTED_PROBLEMS),
      shapes: this.shapes,
      categories: countBy(pairs, ({ category }) => category),
      warnings: [],
    };
    report.warnings = warningsOf(report);
    return { pairs, report };
  }
}

/** Comparisons seen with one answer preferred and again with the other. */
function contradictions(pairs: readonly Pair[]): number {
  const preferred = new Map<string, Set<string>>();
  for (const pair of pairs) {
    const key = comparisonKey(pair);
    const answers = preferred.get(key) ?? new Set();
    preferred.set(key, answers.add(normaliseText(pair.chosen)));
  }
  return [...preferred.values()].filter((answers) => answers.size > 1).length;
}

function countBy<T>(items: readonly T[], key: (item: T) => string): Record<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const DROP_WORDS: Record<DropReason, string> = {
  equalAnswers: 'had equal answers',
  emptyAnswer: 'had an empty answer',
  conversationsDiffer: 'had different conversations in chosen and rejected',
  overlong: 'were longer than the limit',
};

function warningsOf(report: ReadReport): string[] {
  const { records, duplicates, contradictory, dropped, droppedLines } = report;
  const warnings = (Object.keys(DROP_WORDS) as DropReason[])
    .filter((reason) => dropped[reason] > 0)
    .map((reason) => {
      const lines = droppedLines.filter((entry) => entry.reason === reason).map(({ line }) => line);
      const shown = lines.slice(0, 5).join(', ') + (dropped[reason] > 5 ? ', …' : '');
      return `${dropped[reason]} of ${records} records ${DROP_WORDS[reason]} and were left out (lines ${shown}).`;
    });
  if (duplicates > 0) warnings.push(`${duplicates} records repeat an earlier pair and were left out.`);
  if (contradictory > 0)
    warnings.push(`${contradictory} comparisons stand in the data with either answer preferred.`);
  return warnings;
}
