/** Verdict files → checked records, none twice, all of one benchmark. */
import type { z } from 'zod';
import type {
  BenchmarkName,
  Convention,
  ItemIdentity,
  VerdictProtocol,
  VerdictRecord,
} from '../../benchmarks/index.js';
import {
  checkRecord,
  entryOf,
  itemKey,
  verdictHeaderSchema,
  verdictRecordSchema,
} from '../../benchmarks/index.js';
import { BadDataError, ProblemList } from '../dataset/bad-data.js';
import type { Problem } from '../dataset/bad-data.js';
import type { Line } from '../dataset/read-lines.js';
import { readLines } from '../dataset/read-lines.js';

export interface VerdictFile {
  /** Name in messages. */
  source: string;
  lines: AsyncIterable<Line> | Iterable<Line>;
}

export interface ReadVerdictsOptions {
  benchmark: BenchmarkName;
  conventions?: readonly Convention[];
  /** The items that may have been judged; a record of another one is refused. */
  items?: readonly ItemIdentity[];
  /** Take each item with the chosen answer at A and at B, whatever the files' headers say. */
  bothOrders?: boolean;
}

export interface Verdicts {
  records: VerdictRecord[];
  /** Headers of the files that have one. */
  protocols: VerdictProtocol[];
  bothOrders: boolean;
}

/**
 * Read verdict files together: one JSON object a line, optionally after a first line `{"protocol": …}`.
 * @throws BadDataError naming file, line, field and remedy of every problem of the first file that has any.
 */
export async function readVerdicts(
  files: readonly (string | VerdictFile)[],
  options: ReadVerdictsOptions,
): Promise<Verdicts> {
  const reader = new VerdictReader(options);
  for (const file of files) {
    const { source, lines } = typeof file === 'string' ? { source: file, lines: readLines(file) } : file;
    await reader.read(source, lines);
  }
  return reader.finish();
}

/** Where the verdicts on one item stand, by the place of its chosen answer. */
type Places = Partial<Record<'A' | 'B', { source: string; line: number }>>;

class VerdictReader {
  private readonly records: VerdictRecord[] = [];
  private readonly protocols: VerdictProtocol[] = [];
  /** By key of the item. */
  private readonly places = new Map<string, Places>();
  private readonly known: ReadonlySet<string> | undefined;
  private bothOrders: boolean;

  constructor(private readonly options: ReadVerdictsOptions) {
    this.known = options.items && new Set(options.items.map(itemKey));
    this.bothOrders = options.bothOrders ?? false;
  }

  async read(source: string, lines: VerdictFile['lines']): Promise<void> {
    const problems = new ProblemList();
    let records = 0;
    for await (const { number: line, text } of lines) {
      if (text.trim() === '') continue;
      const found = this.readLine(source, line, text, records === 0);
      for (const problem of found) problems.add({ line, ...problem });
      records += 1;
    }
    problems.throwIfAny(source);
    if (records === 0)
      throw new BadDataError(source, [{ message: 'is empty; give one verdict a line, a JSON object each' }]);
  }

  finish(): Verdicts {
    const { records, protocols, bothOrders } = this;
    return { records, protocols, bothOrders };
  }

  private readLine(source: string, line: number, text: string, first: boolean): Problem[] {
    const value = parseObject(text);
    if (typeof value === 'string') return [{ message: value }];
    if (first && 'protocol' in value) return this.readHeader(value);
    // Elsewhere absent fields are often written as null.
    const parsed = verdictRecordSchema.safeParse(withoutNulls(value));
    if (!parsed.success) return problemsOf(parsed.error, value);
    const record: VerdictRecord = parsed.data;
    const { benchmark, conventions } = this.options;
    if (record.benchmark !== benchmark)
      return [
        { field: 'benchmark', message: `is "${record.benchmark}", not "${benchmark}"; score it by itself` },
      ];
    const problem = checkRecord(record, conventions) ?? this.misplaced(record, source, line);
    if (problem) return [problem];
    this.records.push(record);
    return [];
  }

  private readHeader(value: object): Problem[] {
    const parsed = verdictHeaderSchema.safeParse(value);
    if (!parsed.success) return problemsOf(parsed.error, value);
    const { protocol } = parsed.data;
    if (protocol.benchmark !== this.options.benchmark) {
      const message = `is "${protocol.benchmark}", not "${this.options.benchmark}"; score the file by itself`;
      return [{ field: 'protocol.benchmark', message }];
    }
    this.protocols.push(protocol);
    if (protocol.orders.mode === 'both') this.bothOrders = true;
    return [];
  }

  /** A verdict on an unknown item, or a second one on the same. */
  private misplaced(record: VerdictRecord, source: string, line: number): Problem | undefined {
    const key = itemKey(record);
    if (this.known && !this.known.has(key))
      return { message: `the data has no item ${key}; give the data that was judged, or mend the id` };
    const { gold } = record;
    const places = entryOf(this.places, key, (): Places => ({}));
    const other = this.bothOrders ? undefined : places[gold === 'A' ? 'B' : 'A'];
    const before = places[gold] ?? other;
    if (!before) {
      places[gold] = { source, line };
      return undefined;
    }
    const place = `line ${before.line}${before.source === source ? '' : ` of ${before.source}`}`;
    const remedy = places[gold] ? 'keep one of them' : 'add --both-orders if each item was judged both ways';
    return { message: `${key} was judged on ${place} already; ${remedy}` };
  }
}

/** The object of a line, or what is wrong with it. */
function parseObject(text: string): Record<string, unknown> | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const reason = (error as Error).message.replace(/\s+/g, ' ');
    return `is not valid JSON (${reason}); write one complete JSON object a line`;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'is not a JSON object; write one verdict a line';
  return value as Record<string, unknown>;
}

function withoutNulls(value: Record<string, unknown>): Record<string, unknown> {
  let found = false;
  for (const name in value) found ||= value[name] === null;
  if (!found) return value;
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null));
}

function problemsOf(error: z.ZodError, value: object): Problem[] {
  return error.issues.flatMap((issue): Problem[] => {
    const field = issue.path.join('.');
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({
        field: field ? `${field}.${key}` : key,
        message: 'is not a field of a verdict record; leave it out, or mend its name',
      }));
    const absent = issue.path.length === 1 && !(issue.path[0]! in value);
    return [{ ...(field && { field }), message: absent ? `is missing; ${issue.message}` : issue.message }];
  });
}
