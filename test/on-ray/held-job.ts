/** Holding a job on Ray at a named moment, see `infra/ray/rmr1_ray/crash_point.py`. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CrashPlan } from '../../engine/crash-point.js';
import { until } from '../support/until.js';

export interface Held {
  /** The trainer that waits. */
  pid: number;
  release: () => Promise<void>;
}

let plans = 0;

/** Plan to hold the first job that comes to `point`; the answer waits until one has. */
export async function planHold(directory: string, point: string): Promise<() => Promise<Held>> {
  await mkdir(directory, { recursive: true });
  const id = `held-${++plans}`;
  const plan: CrashPlan = { id, point, nth: 1 };
  await writeFile(join(directory, 'plan.json'), JSON.stringify(plan));
  const reached = join(directory, `${id}.reached`);
  const read = (): number | undefined => {
    if (!existsSync(reached)) return undefined;
    const text = readFileSync(reached, 'utf8');
    // Made first, written then.
    return text.endsWith('}') ? (JSON.parse(text) as { pid: number }).pid : undefined;
  };
  return async () => ({
    pid: await until(`a job at ${point}`, () => Promise.resolve(read()), 240),
    release: () => writeFile(join(directory, `${id}.released`), ''),
  });
}
