/** What is wrong at one place of a data file. */
export interface Problem {
  /** 1-based; absent where the whole file is meant. */
  line?: number;
  /** Dotted path of the field, for example `chosen[2].role`. */
  field?: string;
  /** What is wrong and how to mend it. */
  message: string;
}

/** How many problems a message lists before "and N more". */
export const LISTED_PROBLEMS = 20;

/** The user's data cannot be used. `type` is stable across the wire, `message` is written for the user. */
export class BadDataError extends Error {
  readonly type = 'BadData';

  constructor(
    readonly source: string,
    readonly problems: readonly Problem[],
    /** Problems found beyond those kept in `problems`. */
    readonly more = 0,
    options?: ErrorOptions,
  ) {
    super(describe(source, problems, more), options);
    this.name = 'BadData';
  }

  static isInstance(value: unknown): value is BadDataError {
    return value instanceof Error && (value as { type?: unknown }).type === 'BadData';
  }
}

/** Collects problems without keeping more of them than a message lists. */
export class ProblemList {
  readonly problems: Problem[] = [];
  more = 0;

  get count(): number {
    return this.problems.length + this.more;
  }

  add(problem: Problem): void {
    if (this.problems.length < LISTED_PROBLEMS) this.problems.push(problem);
    else this.more += 1;
  }

  throwIfAny(source: string): void {
    if (this.count > 0) throw new BadDataError(source, this.problems, this.more);
  }
}

function place({ line, field }: Problem): string {
  const parts = [line === undefined ? '' : `line ${line}`, field === undefined ? '' : `field "${field}"`];
  const text = parts.filter(Boolean).join(', ');
  return text ? `${text}: ` : '';
}

function describe(source: string, problems: readonly Problem[], more: number): string {
  const listed = problems.slice(0, LISTED_PROBLEMS);
  const rest = more + problems.length - listed.length;
  const [first] = listed;
  if (listed.length === 1 && rest === 0 && first) return `${source}: ${place(first)}${first.message}`;
  const lines = listed.map((problem) => `  ${place(problem)}${problem.message}`);
  if (rest > 0) lines.push(`  and ${rest} more`);
  return `${source} cannot be used, ${listed.length + rest} problems:\n${lines.join('\n')}`;
}
