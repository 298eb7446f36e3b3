/** Data files: one JSON object a line. */
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { badData, reading } from '../errors.js';

/** What a schema found, and where. */
export interface Line<T> {
  value: T;
  /** Counted from 1. */
  line: number;
}

/**
 * Read and check every line; blank lines are skipped.
 * @throws EngineError (bad data) naming the file, the line and the field.
 */
export function readJsonLines<T>(path: string, schema: z.ZodType<T>): Line<T>[] {
  const text = reading('the data file', path, () => readFileSync(path, 'utf8'));
  const lines: Line<T>[] = [];
  text.split('\n').forEach((content, index) => {
    if (content.trim() === '') return;
    const line = index + 1;
    let json: unknown;
    try {
      json = JSON.parse(content);
    } catch (error) {
      throw badData(`${path}, line ${line}: not valid JSON`, error);
    }
    const parsed = schema.safeParse(json);
    if (!parsed.success) {
      const issue = parsed.error.issues[0];
      const field = issue?.path.join('.') ?? '';
      throw badData(
        `${path}, line ${line}: ${field === '' ? '' : `${field}: `}${issue?.message ?? 'is invalid'}`,
      );
    }
    lines.push({ value: parsed.data, line });
  });
  if (lines.length === 0) throw badData(`${path} is empty: it needs at least one line`);
  return lines;
}
