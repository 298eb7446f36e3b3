/** The text of a JSON file of somebody else's, held against a schema. */
import type { z } from 'zod';
import { badData } from '../errors.js';

/** @throws EngineError (bad data) naming the file, and the first field that is wrong. */
export function parseFile<T>(schema: z.ZodType<T>, text: string, path: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw badData(`${path} is not JSON`, error);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw badData(`${path}: ${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is invalid'}`);
}
