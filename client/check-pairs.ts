/** Read a user's data file as the pipeline will, before anything is uploaded. */
import { readPairs } from '../activities/dataset/read-pairs.js';
import type { ReadReport } from '../activities/dataset/read-pairs.js';
import type { Pair } from '../judge/pair.js';

export interface CheckedFile {
  pairs: Pair[];
  report: ReadReport;
}

/** @throws BadDataError that names file, line, field and remedy of every problem. */
export function checkPairs(file: string): Promise<CheckedFile> {
  return readPairs(file, { source: file });
}
