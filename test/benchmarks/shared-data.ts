/** Published results and reference scores that are not part of the project; tests without them are skipped. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const SHARED_DATA = process.env.RMR1_SHARED_DATA ?? '../shared/data';
export const noSharedData = !existsSync(join(SHARED_DATA, 'expected', 'expected.json'));

/** Title of a suite that needs the data. */
export function withSharedData(title: string): string {
  return noSharedData ? `${title} (skipped: ${SHARED_DATA} is not there; set RMR1_SHARED_DATA)` : title;
}

export function sharedPath(...path: string[]): string {
  return join(SHARED_DATA, ...path);
}

export function sharedJson<T>(...path: string[]): T {
  return JSON.parse(readFileSync(sharedPath(...path), 'utf8')) as T;
}

export function sharedLines<T>(...path: string[]): T[] {
  const bytes = readFileSync(sharedPath(...path));
  const text = path.at(-1)!.endsWith('.gz') ? gunzipSync(bytes) : bytes;
  return text
    .toString('utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);
}
